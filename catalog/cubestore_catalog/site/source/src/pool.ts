// The workers, and what waits for them: the newest wish counts, so what is no longer in view is dropped, even
// where it is being read.

import { keyOf } from "./cube";
import type { Dropped, Result, Task } from "./pixels.worker";
import { address } from "./service";

export type Wish = Omit<Task, "id">;

type Answered = (result: Result, wish: Wish) => void;

/** Chunks that one worker reads at a time: requests wait longer for the network than for the decoder. */
const AT_A_TIME = 6;

interface Hand {
  worker: Worker;
  busy: number;
}

/** Workers that read and paint chunks. */
export class Pool {
  readonly #hands: Hand[];
  readonly #asked = new Map<number, [Wish, Answered]>();
  #waiting: [Wish, Answered][] = [];
  #count = 0;

  constructor(workers = Math.min(Math.max((navigator.hardwareConcurrency ?? 2) - 1, 1), 4)) {
    this.#hands = Array.from({ length: workers }, () => this.#hand());
  }

  /** Ask for chunks, the most wanted first; what was asked before is given up. */
  want(wishes: Wish[], answered: Answered): void {
    this.#giveUp(new Set(wishes.map(keyOf)));
    this.#waiting = wishes.map((wish) => [wish, answered]);
    this.#next();
  }

  #giveUp(wanted: Set<string>): void {
    const dropped = [...this.#asked.values()].map(([wish]) => keyOf(wish)).filter((key) => !wanted.has(key));
    if (!dropped.length) return;
    for (const { worker } of this.#hands) worker.postMessage({ dropped } satisfies Dropped);
  }

  #hand(): Hand {
    const worker = new Worker(address("browse/pixels.worker.js"), { type: "module" });
    const hand = { worker, busy: 0 };
    worker.onmessage = ({ data }: MessageEvent<Result>) => {
      hand.busy--;
      const [wish, answered] = this.#asked.get(data.id)!;
      this.#asked.delete(data.id);
      answered(data, wish);
      this.#next();
    };
    return hand;
  }

  /** A shard's chunks go to one worker, so that its index is read once. */
  #next(): void {
    this.#waiting = this.#waiting.filter(([wish, answered]) => {
      const hand = this.#hands[((wish.row >> 4) + (wish.column >> 4)) % this.#hands.length]!;
      if (hand.busy >= AT_A_TIME) return true;
      const id = this.#count++;
      this.#asked.set(id, [wish, answered]);
      hand.busy++;
      hand.worker.postMessage({ id, ...wish } satisfies Task);
      return false;
    });
  }
}
