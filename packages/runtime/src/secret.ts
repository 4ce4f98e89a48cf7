import { inspect } from 'node:util';

const shown = '[secret]';

/** Text that must not be seen: it prints as `[secret]` wherever it is logged, joined or serialised. */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return shown;
  }

  toJSON(): string {
    return shown;
  }

  [inspect.custom](): string {
    return shown;
  }
}
