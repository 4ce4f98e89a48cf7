/**
 * The house, as a list: what each room may import. A new arrow or a library in a second room fails here first; changing
 * this list is a decision, and belongs into the review.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

interface Room {
  /** Rooms of ours that it may import. */
  readonly ours: readonly string[];
  /** Libraries that it may import; zod is everybody's, for parsing at the edge. */
  readonly libraries: readonly string[];
  /** Whether it may use Node's own modules. */
  readonly node: boolean;
}

const packages: Record<string, Room> = {
  core: { ours: [], libraries: [], node: false },
  oci: { ours: ['core'], libraries: [], node: false },
  registry: { ours: ['core', 'oci'], libraries: ['undici'], node: true },
  git: { ours: ['core'], libraries: ['node-git-server'], node: true },
  store: { ours: ['core'], libraries: ['kysely', 'pg', '@electric-sql/pglite'], node: true },
  queue: { ours: ['core'], libraries: ['bullmq', 'ioredis'], node: true },
  source: { ours: ['core'], libraries: ['@aws-sdk/client-s3'], node: true },
  drivers: {
    ours: ['core', 'source'],
    libraries: ['@kubernetes/client-node', 'undici'],
    node: true,
  },
  backends: { ours: ['core'], libraries: [], node: false },
  release: { ours: ['core'], libraries: ['ipaddr.js'], node: true },
  runtime: { ours: ['core'], libraries: ['pino', 'ulid'], node: true },
};

const everyPackage = Object.keys(packages);
const apps: Record<string, Room> = {
  receiver: { ours: everyPackage, libraries: [], node: true },
  worker: { ours: everyPackage, libraries: [], node: true },
  publisher: { ours: everyPackage, libraries: [], node: true },
  api: {
    ours: everyPackage,
    libraries: [
      'fastify',
      'fastify-type-provider-zod',
      '@fastify/swagger',
      '@fastify/rate-limit',
      '@bull-board/api',
      '@bull-board/fastify',
    ],
    node: true,
  },
  // `hephy up` runs all roles in one process: the one app that imports the others.
  cli: {
    ours: [...everyPackage, 'receiver', 'worker', 'publisher', 'api'],
    libraries: ['commander'],
    node: true,
  },
};

describe('the house', () => {
  for (const [folder, rooms] of Object.entries({ packages, apps })) {
    it(`${folder} are the rooms that the list knows`, () => {
      expect(readdirSync(join(root, folder)).toSorted()).toEqual(Object.keys(rooms).toSorted());
    });

    for (const [name, room] of Object.entries(rooms)) {
      it(`${folder}/${name} imports only what its room may`, () => {
        expect(forbiddenImports(join(root, folder, name), room)).toEqual([]);
      });
    }
  }

  it('a room is entered by its front door: src/index.ts', () => {
    const deep = sourcesBelow(root).filter((file) =>
      importsOf(file).some((specifier) => /^@hephy\/[^/]+\//.test(specifier)),
    );
    expect(deep).toEqual([]);
  });

  it('every file of code has at most 400 lines', () => {
    const long = sourcesBelow(root)
      .filter((file) => readFileSync(file, 'utf8').split('\n').length > 401)
      .map((file) => relative(root, file));
    expect(long).toEqual([]);
  });
});

function forbiddenImports(directory: string, room: Room): string[] {
  return [...production(directory)].flatMap((file) =>
    importsOf(file)
      .filter((specifier) => !isAllowed(specifier, { file, directory, room }))
      .map((specifier) => `${relative(root, file)} imports ${specifier}`),
  );
}

/** What runs in production: all that is reached from the room's front door, or from its process. */
function production(directory: string): Set<string> {
  const doors = ['index.ts', 'main.ts'].map((name) => join(directory, 'src', name));
  const reached = new Set<string>();
  const visit = (file: string): void => {
    if (reached.has(file) || !existsSync(file)) return;
    reached.add(file);
    for (const specifier of importsOf(file)) {
      if (specifier.startsWith('.')) visit(join(dirname(file), specifier));
    }
  };
  doors.forEach(visit);
  return reached;
}

function isAllowed(
  specifier: string,
  { file, directory, room }: { file: string; directory: string; room: Room },
): boolean {
  if (specifier.startsWith('.')) {
    return !relative(directory, join(dirname(file), specifier)).startsWith('..');
  }
  if (specifier.startsWith('node:')) return room.node;
  const library = specifier.startsWith('@')
    ? specifier.split('/').slice(0, 2).join('/')
    : (specifier.split('/')[0] ?? specifier);
  if (library.startsWith('@hephy/')) return room.ours.includes(library.slice('@hephy/'.length));
  return library === 'zod' || room.libraries.includes(library);
}

function importsOf(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  const statements = text.matchAll(
    /^(?:import|export)\s(?:[^'";]*?\sfrom\s)?'([^']+)';?$|\bimport\('([^']+)'\)/gm,
  );
  return [...statements].map((match) => match[1] ?? match[2] ?? '');
}

function sourcesBelow(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => !['node_modules', '.git', '.hephy'].includes(name))
    .map((name) => join(directory, name))
    .flatMap((path) => {
      if (statSync(path).isDirectory()) return sourcesBelow(path);
      return /\.(?:ts|mjs)$/.test(path) ? [path] : [];
    });
}
