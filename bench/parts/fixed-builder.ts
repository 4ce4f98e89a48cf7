/**
 * A `buildah` whose build takes a fixed time and whose push is real: it uploads a layer and a config of its own and puts
 * the manifest, with curl, into the registry that it is told. So what is left of a build's time is the service's.
 * It prints when it began and ended, in milliseconds since 1970, into the build's log.
 *
 * A builder sees no files but the machine's programs and its app's cache; so the cache's folder is where it lies, and
 * the service is started with that folder first on its PATH.
 */
import { createHash } from 'node:crypto';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { run } from './run.ts';

/** Answers the folder that has to come first on the PATH of the service with this data folder. */
export async function installFixedBuilder(input: {
  dataDirectory: string;
  appName: string;
  buildSeconds: number;
}): Promise<string> {
  const folder = join(input.dataDirectory, 'builders', '.cache', input.appName);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(join(folder, 'hello.txt'), 'hello\n');
  const layer = join(folder, 'layer.tar.gz');
  await run(['tar', '--create', '--gzip', `--file=${layer}`, `--directory=${folder}`, 'hello.txt']);
  const diffId = createHash('sha256')
    .update(gunzipSync(await readFile(layer)))
    .digest('hex');
  const program = join(folder, 'buildah');
  await writeFile(program, script({ folder, diffId, buildSeconds: input.buildSeconds }));
  await chmod(program, 0o755);
  return folder;
}

function script(values: { folder: string; diffId: string; buildSeconds: number }): string {
  const { folder, diffId, buildSeconds } = values;
  return `#!/bin/bash
set -eu
now() { echo "bench $1 $((\${EPOCHREALTIME/[.,]/} / 1000))"; }
mode= platform= destination= digest_file=
for word; do
  case $word in
    build | push) mode=\${mode:-$word} ;;
    --platform=*) platform=\${word#*=} ;;
    --digestfile=*) digest_file=\${word#*=} ;;
    docker://*) destination=\${word#*//} ;;
  esac
done
if [[ $mode == build ]]; then
  now began
  sleep ${buildSeconds}
  printf '%s' "$platform" > "$HOME/platform"
  exit
fi
IFS=/ read -r os architecture < "$HOME/platform" || true
repository=http://\${destination%%/*}/v2/\${destination#*/}
repository=\${repository%:*}
cp ${folder}/layer.tar.gz "$HOME/layer"
printf '{"os":"%s","architecture":"%s","author":"%s","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:${diffId}"]}}' \\
  "$os" "$architecture" "$destination" > "$HOME/config"
describe() {
  local sum
  read -r sum _ < <(sha256sum "$HOME/$1")
  printf '{"mediaType":"%s","digest":"sha256:%s","size":%s}' "$2" "$sum" "$(stat --format=%s "$HOME/$1")"
}
upload() {
  local sum place
  read -r sum _ < <(sha256sum "$HOME/$1")
  place=$(curl --fail --silent --show-error --request POST --output /dev/null --write-out '%header{location}' "$repository/blobs/uploads/")
  curl --fail --silent --show-error --request PUT --header 'content-type: application/octet-stream' \\
    --data-binary "@$HOME/$1" "$place&digest=sha256:$sum"
}
upload layer
upload config
type=application/vnd.oci.image
printf '{"schemaVersion":2,"mediaType":"%s","config":%s,"layers":[%s]}' "$type.manifest.v1+json" \\
  "$(describe config $type.config.v1+json)" "$(describe layer $type.layer.v1.tar+gzip)" > "$HOME/manifest"
curl --fail --silent --show-error --request PUT --header "content-type: $type.manifest.v1+json" \\
  --data-binary "@$HOME/manifest" "$repository/manifests/\${destination##*:}"
read -r sum _ < <(sha256sum "$HOME/manifest")
echo "sha256:$sum" > "$digest_file"
now ended
`;
}
