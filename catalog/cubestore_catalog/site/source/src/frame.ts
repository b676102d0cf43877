// What the page does without the store: the panel as a sheet, the copying of the Python, the last resort.

import { byId } from "./dom";

function toggleSheet(): void {
  const open = document.body.classList.toggle("raised");
  byId("sheet").setAttribute("aria-expanded", String(open));
}

/** The clipboard is given to https and localhost only: elsewhere the text is selected, to be copied by hand. */
async function copy(): Promise<void> {
  const python = byId("python");
  try {
    await navigator.clipboard.writeText(python.textContent);
    say("Copied");
  } catch {
    getSelection()!.selectAllChildren(python);
    python.focus();
    say("Selected: copy it now");
  }
}

function say(words: string): void {
  byId("copy").textContent = words;
  setTimeout(() => (byId("copy").textContent = "Copy"), 4000);
}

/** Listen to the sheet and to the copy button; where there is little room the filters are folded. */
export function listenToFrame(): void {
  const narrow = matchMedia("(max-width: 720px)").matches;
  (byId("refine") as HTMLDetailsElement).open = !narrow;
  byId("sheet").addEventListener("click", toggleSheet);
  byId("copy").addEventListener("click", () => void copy());
}

/** Say what could not be done. */
export function complain(error: Error): void {
  const cause = (error.cause as Error | undefined)?.message;
  byId("failure").textContent = cause ? `${error.message}: ${cause}` : error.message;
  byId("failure").hidden = false;
}

/** Say why the page cannot go on: nothing was listed, and nothing will be. */
export function giveUp(error: Error): void {
  complain(error);
  byId("browse").hidden = true;
  document.body.dataset["state"] = "failed";
}
