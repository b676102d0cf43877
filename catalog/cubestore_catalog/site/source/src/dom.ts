// Elements in one line each.

type Child = Node | string | null | undefined | false;

/** Make an element: its properties (`aria-…`, `data-…` and `role` as attributes), then what is in it. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Record<string, unknown> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === false) continue;
    if (/^(aria-|data-|role$|for$|style$)/.test(name)) made.setAttribute(name, String(value));
    else Object.assign(made, { [name]: value });
  }
  made.append(...children.filter((child): child is Node | string => !!child));
  return made;
}

/** Make an element of a drawing. */
export function svg(tag: string, attributes: Record<string, string | number>, ...children: Child[]) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  made.append(...children.filter((child): child is Node | string => !!child));
  return made;
}

/** The element of the page with this id. */
export const byId = (id: string): HTMLElement => document.getElementById(id)!;

/** A date as people write it in a table. */
export const day = (time: Date): string => time.toISOString().slice(0, 10);

/** A date with its time of day. */
export const minute = (time: Date): string => `${time.toISOString().slice(0, 16).replace("T", " ")} UTC`;

/** Return what says in a part of the page why it could not be filled; what was given up says nothing. */
export const fail = (id: string) => (error: Error): void => {
  if (error.name === "AbortError") return;
  const tag = byId(id).tagName === "UL" ? "li" : "p";
  byId(id).replaceChildren(el(tag, { className: "error", role: "alert" }, error.message));
};
