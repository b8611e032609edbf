// Keeps the process alive while a referenced socket is open, and no longer: links and their timers are
// unreferenced, so that a program ends when its sockets have.

const longMs = 2_147_483_647;

export class ProcessHold {
  #holders = 0;
  #timer: NodeJS.Timeout | undefined;

  change(holds: boolean): void {
    this.#holders += holds ? 1 : -1;
    if (this.#holders > 0) {
      this.#timer ??= setInterval(() => {}, longMs);
    } else {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
  }
}
