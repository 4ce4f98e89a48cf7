/**
 * apt-get for any architecture, from the sources that this machine's apt already trusts, without touching its own
 * package lists or architectures: it works in folders of ours, checks the signature of the release and the checksum
 * of each package as always, and needs no root.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

// Read after the machine's own configuration, whose hooks are for the machine's own lists.
const configuration = `
#clear APT::Architectures;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
APT::Sandbox::User "root";
APT::Get::AllowUnauthenticated "false";
APT::Install-Recommends "false";
Acquire::AllowInsecureRepositories "false";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
`;

export interface PrivateApt {
  /** The words of the command, before those of an operation. */
  readonly aptGet: readonly string[];
  /** Where it puts the packages of an installation. */
  readonly archives: string;
}

/** Prepares it in an empty folder. `status` is dpkg's record of what counts as installed. */
export async function preparePrivateApt(
  folder: string,
  { architecture, status = '' }: { architecture: string; status?: string },
): Promise<PrivateApt> {
  const archives = join(folder, 'cache/archives');
  await mkdir(join(folder, 'state/lists/partial'), { recursive: true });
  await mkdir(join(archives, 'partial'), { recursive: true });
  await writeFile(join(folder, 'status'), status);
  await writeFile(join(folder, 'apt.conf'), configuration);
  const options = [
    `APT::Architecture=${architecture}`,
    `APT::Architectures=${architecture}`,
    `Dir::State=${join(folder, 'state')}`,
    `Dir::State::status=${join(folder, 'status')}`,
    `Dir::Cache=${join(folder, 'cache')}`,
  ].flatMap((option) => ['-o', option]);
  const aptGet = ['apt-get', '-q', `--config-file=${join(folder, 'apt.conf')}`, ...options];
  return { aptGet, archives };
}
