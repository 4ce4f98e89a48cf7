import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../cluster/run.ts';

/** PEM: a certificate for an address that nobody but itself vouches for, and its key. Good for a day. */
export async function makeCertificate(
  address: string,
): Promise<{ certificate: string; key: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'hephy-certificate-'));
  const [certificate, key] = [join(folder, 'certificate'), join(folder, 'key')];
  try {
    await run([
      'openssl',
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '1',
      '-subj',
      `/CN=${address}`,
      '-addext',
      `subjectAltName=IP:${address}`,
      '-keyout',
      key,
      '-out',
      certificate,
    ]);
    return {
      certificate: await readFile(certificate, 'utf8'),
      key: await readFile(key, 'utf8'),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
