import { Duplex } from 'node:stream';
import type { PGlite } from '@electric-sql/pglite';

/** What `pg` expects of a socket, with PGlite at the other end: bytes of PostgreSQL's protocol both ways. */
export function streamOfPglite(pglite: PGlite): Duplex {
  return new PgliteStream(pglite);
}

class PgliteStream extends Duplex {
  readonly #pglite: PGlite;

  constructor(pglite: PGlite) {
    super();
    this.#pglite = pglite;
  }

  /** As of a socket: it answers by an event. */
  connect(): void {
    process.nextTick(() => this.emit('connect'));
  }

  setNoDelay(): void {}

  override _read(): void {}

  override _write(message: Uint8Array, _encoding: string, done: Done): void {
    void this.#ask(message, done);
  }

  override _writev(messages: { chunk: Uint8Array }[], done: Done): void {
    void this.#ask(Buffer.concat(messages.map(({ chunk }) => chunk)), done);
  }

  async #ask(message: Uint8Array, done: Done): Promise<void> {
    try {
      this.push(await this.#pglite.execProtocolRaw(message));
    } catch (error) {
      return done(error instanceof Error ? error : new Error(String(error)));
    }
    done();
  }
}

type Done = (error?: Error | null) => void;
