/**
 * `hephy push-layout`: the last container of a builder's pod where the builder itself may not push. It takes over the image
 * that the builder left, if that is one, and leaves the digest that it pushed as its termination message.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { failureOf, formatDuration } from '@hephy/core';
import { parseReference } from '@hephy/oci';
import { createRegistryClient, pushLayout, readLayout, type PublishFailure } from '@hephy/registry';
import { z } from 'zod';
import { runContainerCommand, type ContainerEnd } from './container-command.ts';

const Destination = z.string().transform((text, context) => {
  const parsed = parseReference(text);
  if (parsed.ok && parsed.reference.tag !== undefined) {
    const { registry, repository, tag } = parsed.reference;
    return { registry, repository, tag };
  }
  context.addIssue('no registry/repository:tag');
  return z.NEVER;
});

const Asked = z.object({
  HEPHY_LAYOUT_DIRECTORY: z.string().startsWith('/'),
  HEPHY_LAYOUT_PLATFORM: z.string().min(1),
  HEPHY_LAYOUT_DESTINATION: Destination,
  HEPHY_LAYOUT_PLAIN_HTTP: z.stringbool(),
  /** Of a file; without one the registry asks for nothing. */
  HEPHY_LAYOUT_CREDENTIALS: z.string().startsWith('/').optional(),
  /** Of PEM files. */
  HEPHY_LAYOUT_AUTHORITIES: z.string().startsWith('/').optional(),
});
type Asked = z.infer<typeof Asked>;

/** Its problems never show what is in it. */
const Credentials = z
  .string()
  .transform((text, context): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      context.addIssue('no JSON');
      return z.NEVER;
    }
  })
  .pipe(z.object({ username: z.string(), password: z.string() }));

/** Answers the exit code. */
export async function pushLayoutCommand(
  environment: NodeJS.ProcessEnv,
  output: { print: (line: string) => void; complain: (line: string) => void },
): Promise<number> {
  return runContainerCommand({ environment, asked: Asked, work: pushAsked }, output);
}

async function pushAsked(asked: Asked): Promise<ContainerEnd> {
  const startedAt = performance.now();
  const layout = await readLayout(asked.HEPHY_LAYOUT_DIRECTORY, asked.HEPHY_LAYOUT_PLATFORM);
  if (!layout.ok) return refused(layout.failure);
  const { registry, repository, tag } = asked.HEPHY_LAYOUT_DESTINATION;
  const file = asked.HEPHY_LAYOUT_CREDENTIALS;
  const credentials = file === undefined ? undefined : await readCredentials(file);
  const authorities = asked.HEPHY_LAYOUT_AUTHORITIES;
  if (authorities !== undefined) await trust(authorities);
  const client = createRegistryClient({
    registry,
    plainHttp: asked.HEPHY_LAYOUT_PLAIN_HTTP,
    credentials: () => Promise.resolve(credentials),
  });
  try {
    const pushed = await pushLayout({ layout, repository, tag }, { client });
    if (!pushed.ok) return refused(pushed.failure);
    const { digest, sentBytes } = pushed;
    const took = formatDuration(performance.now() - startedAt);
    return { ok: true, result: digest, line: `pushed ${digest}, ${sentBytes} bytes, in ${took}` };
  } finally {
    await client.close();
  }
}

async function readCredentials(file: string) {
  const parsed = Credentials.safeParse(await readFile(file, 'utf8'));
  if (parsed.success) return parsed.data;
  throw new Error(`${file} holds no username and password`);
}

async function trust(directory: string): Promise<void> {
  // A ConfigMap's files are links; beside them lie folders of Kubernetes' own.
  const names = (await readdir(directory)).filter((name) => !name.startsWith('..'));
  const files = await Promise.all(names.map((name) => readFile(join(directory, name), 'utf8')));
  setDefaultCACertificates([...getCACertificates('default'), ...files]);
}

function refused({ reason, message }: PublishFailure): ContainerEnd {
  return { ok: false, failure: failureOf(reason, { detail: message }) };
}
