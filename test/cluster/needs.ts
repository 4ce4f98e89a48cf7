import {
  findNeed,
  installCommand,
  needsOf,
  whyNoCluster,
} from '../../apps/cli/src/machine/needs.mjs';

/** Sentences that say what is missing, each with what to do; empty where a cluster can be started. */
export function missingForCluster(): string[] {
  const machine = { isRoot: process.getuid?.() === 0, searchPath: process.env['PATH'] ?? '' };
  const lacking = needsOf('cluster', machine).filter((one) => findNeed(one, machine) === undefined);
  const names = lacking.map(({ debianPackage }) => debianPackage).join(', ');
  return [
    ...whyNoCluster(machine),
    ...(lacking.length > 0 ? [`this machine lacks ${names}: ${installCommand(lacking)}`] : []),
  ];
}
