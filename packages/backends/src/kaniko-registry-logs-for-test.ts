/** As in kaniko-build-logs-for-test.ts: failures on the way from and to a registry, and those of the executor itself. */
import { build, said, step, type RecordedLog } from './kaniko-build-logs-for-test.ts';

const kaniko = 'GoogleContainerTools/kaniko';
const oss = 'osscontainertools/kaniko';
/** The client in kaniko 1.27.5, with a server that was made to answer so. */
const client = 'go-containerregistry 0.21.5';

const retried = `${build}unable to complete operation after 3 attempts, last error: `;
export const push = 'error pushing image: failed to push to destination r.example/team/shop:b-1: ';

export const pullLogs: readonly RecordedLog[] = [
  [
    `${kaniko}#3427`,
    `${build}unable to complete operation after 0 attempts, last error: GET base/manifests/latest: MANIFEST_UNKNOWN: The named manifest is not known to the registry.; map[manifest:library/base]`,
    { reason: 'BaseImageUnavailable', detail: /^GET base\/manifests\/latest: MANIFEST_UNKNOWN/ },
  ],
  [
    client,
    `${retried}GET https://r.example/v2/nope/manifests/1: NAME_UNKNOWN: repository name not known to registry; map[name:nope]`,
    { reason: 'BaseImageUnavailable' },
  ],
  [
    client,
    `${retried}GET https://r.example/v2/nope/manifests/1: unexpected status code 404 Not Found`,
    { reason: 'BaseImageUnavailable' },
  ],
  [
    `${kaniko}#2315`,
    `${retried}GET https://index.docker.io/v2/library/nope/manifests/3.11.4: UNAUTHORIZED: authentication required`,
    { reason: 'BaseImageUnavailable' },
  ],
  [
    client,
    `${retried}GET https://r.example/v2/private/manifests/1: DENIED: requested access to the resource is denied`,
    { reason: 'BaseImageUnavailable' },
  ],
  [
    `${kaniko}#1995`,
    `${retried}no child with platform linux/arm64/v8 in index r.example/base:1`,
    { reason: 'BaseImageUnavailable', detail: /linux\/arm64\/v8/ },
  ],
  [
    'gardener/cc-utils#636',
    `${build}GET https://index.docker.io/v2/library/golang/manifests/1.16.6: TOOMANYREQUESTS: You have reached your pull rate limit. You may increase the limit by authenticating and upgrading: https://www.docker.com/increase-rate-limit`,
    { reason: 'RateLimited' },
  ],
  [
    client,
    `${retried}GET https://r.example/v2/base/manifests/1: unexpected status code 429 Too Many Requests: slow down`,
    { reason: 'RateLimited' },
  ],
  [
    `${kaniko}#1360`,
    `${build}error building stage: failed to get filesystem from image: stream error: stream ID 3; PROTOCOL_ERROR`,
    { reason: 'Http2Failed', detail: /stream error/ },
  ],
  [
    'googleapis/google-cloud-cpp#6336',
    `${step}extracting fs from image: stream error: stream ID 95; INTERNAL_ERROR`,
    { reason: 'Http2Failed', detail: /stream error/ },
  ],
  [
    `${kaniko}#1267`,
    `${build}error building stage: failed to get filesystem from image: read tcp 10.128.0.69:49898->104.18.121.25:443: read: connection reset by peer`,
    { reason: 'RegistryUnavailable' },
  ],
  [
    `${kaniko}#2315`,
    `${build}Get "https://gcr.io/v2/": dial tcp 142.250.157.82:443: i/o timeout`,
    { reason: 'RegistryUnavailable' },
  ],
  [
    client,
    `${retried}Get "https://registry.invalid/v2/": dial tcp: lookup registry.invalid on 10.96.0.10:53: no such host`,
    { reason: 'RegistryUnavailable', detail: /no such host/ },
  ],
  [
    `${kaniko}#1154`,
    `${build}Get "https://registry:5005/v2/": x509: certificate signed by unknown authority`,
    { reason: 'RegistryUnavailable', detail: /x509/ },
  ],
  [
    'googleapis/google-cloud-cpp#6438',
    `${retried}GET https://production.cloudflare.docker.com/registry-v2/docker/registry/v2/blobs/sha256/86/data?verify=REDACTED: unexpected status code 503 Service Unavailable: <!DOCTYPE html>\n<html class="no-js" lang="en-US">`,
    { reason: 'RegistryUnavailable', detail: /503/ },
  ],
  [
    `${kaniko}#3154, without the way back`,
    `${said("Failed to retrieve image docker-hub/alpine:3.19 from remapped registry m.example: unable to complete operation after 3 attempts, last error: GET https://m.example/v2/docker-hub/alpine/manifests/3.19: NAME_UNKNOWN: The repository with name 'docker-hub/alpine' does not exist in the registry with id '1'. Will try with the next registry, or fallback to the original registry.", 'warning')}\n${build}image not found on any configured mapped registries for alpine:3.19`,
    {
      reason: 'BaseImageUnavailable',
      detail: /for alpine:3\.19: GET https:\/\/m\.example.*NAME_UNKNOWN/,
    },
  ],
  [
    `${kaniko}#3182, without the way back`,
    `${said('Failed to retrieve image alpine:latest from remapped registry m.example: unable to complete operation after 3 attempts, last error: Get "https://m.example/v2/": dial tcp 127.0.0.1:443: connect: connection refused. Will try with the next registry, or fallback to the original registry.', 'warning')}\n${build}image not found on any configured mapped registries for alpine:latest`,
    { reason: 'RegistryUnavailable', detail: /connection refused/ },
  ],
  [
    `${oss}: pkg/image/remote/remote.go`,
    `${build}image not found on any configured mapped registries for alpine:latest`,
    { reason: 'BaseImageUnavailable' },
  ],
];

export const pushLogs: readonly RecordedLog[] = [
  [
    `${kaniko}#1209`,
    `${push}HEAD https://r.example/v2/team/shop/manifests/b-1: UNAUTHORIZED: authentication required; [map[Action:push Class: Name:foo/bar Type:repository]]`,
    { reason: 'RegistryUnauthorized' },
  ],
  [
    `${kaniko}#1835`,
    `${push}HEAD https://r.example/v2/team/shop/manifests/b-1: unexpected status code 401 Unauthorized (HEAD responses have no body, use GET for details)`,
    { reason: 'RegistryUnauthorized', detail: /^HEAD https/ },
  ],
  [
    'tektoncd/pipeline#848',
    `${push}DENIED: "Access denied."`,
    { reason: 'PushDenied', detail: 'DENIED: "Access denied."' },
  ],
  [
    client,
    `${push}HEAD https://r.example/v2/team/shop/blobs/sha256:74: unexpected status code 403 Forbidden (HEAD responses have no body, use GET for details)`,
    { reason: 'PushDenied' },
  ],
  [
    `${kaniko}#2838`,
    `${push}HEAD https://r.example/v2/team/shop/manifests/b-1: unexpected status code 412 Precondition Failed (HEAD responses have no body, use GET for details)`,
    { reason: 'PushDenied' },
  ],
  [
    'goharbor/harbor#17390',
    `${push}PUT https://r.example/v2/team/shop/manifests/b-1: DENIED: adding 29.0 MiB of storage resource, which when updated to current usage of 152.4 MiB will exceed the configured upper limit of 10.0 MiB.`,
    { reason: 'PushDenied', detail: /exceed the configured upper limit/ },
  ],
  [
    `${kaniko}#2978`,
    `${push}PATCH https://ttl.sh/v2/x/blobs/uploads/e9?_state=REDACTED: unexpected status code 413 Request Entity Too Large: <html>\n<head><title>413 Request Entity Too Large</title></head>`,
    { reason: 'PushDenied', detail: /413/ },
  ],
  [
    client,
    `${push}POST https://r.example/v2/team/shop/blobs/uploads/: NAME_UNKNOWN: repository name not known to registry; map[name:team/shop]`,
    { reason: 'PushDenied' },
  ],
  [
    `${oss}#204`,
    `${push}PUT https://r.example/v2/x/manifests/1: TAG_INVALID: The image tag '1' already exists in the 'x' repository and cannot be overwritten because the tag is immutable.`,
    { reason: 'TagImmutable' },
  ],
  [
    'moby/buildkit#3776',
    `${push}PUT https://r.example/v2/x/manifests/1: TAG_INVALID: The image tag '1' already exists in the 'x' repository and cannot be overwritten because the repository is immutable.`,
    { reason: 'TagImmutable' },
  ],
  [
    `${oss}: pkg/executor/push.go, errTagImmutable`,
    `${push}PUT https://r.example/v2/x/manifests/1: MANIFEST_INVALID: The repository has enabled tag immutability`,
    { reason: 'TagImmutable' },
  ],
  [
    `${kaniko}#1588`,
    `${push}PUT https://gcr.io/v2/project/image/manifests/latest: MANIFEST_INVALID: Failed to parse manifest for request "/v2/project/image/manifests/latest": Manifest is missing required field "layers".`,
    { reason: 'ManifestInvalid' },
  ],
  [
    `${kaniko}#2423`,
    `${push}PUT https://index.docker.io/v2/luxurine/counter/manifests/latest: \nMANIFEST_INVALID: manifest invalid; mediaType in manifest should be 'application/vnd.docker.distribution.manifest.v2+json'`,
    { reason: 'ManifestInvalid' },
  ],
  [
    client,
    `${push}PUT https://r.example/v2/team/shop/manifests/b-1: unexpected status code 415 Unsupported Media Type`,
    { reason: 'ManifestInvalid' },
  ],
  [
    client,
    `${push}HEAD https://r.example/v2/team/shop/manifests/b-1: unexpected status code 429 Too Many Requests (HEAD responses have no body, use GET for details)`,
    { reason: 'RateLimited' },
  ],
  [
    `${kaniko}#3164`,
    `${push}PUT https://registry.ali.com/v2/dev/test/manifests/v05145: multiple errors returned: MANIFEST_BLOB_UNKNOWN: blob unknown to registry; sha256:46; MANIFEST_BLOB_UNKNOWN: blob unknown to registry; sha256:47`,
    { reason: 'RegistryUnavailable' },
  ],
  [
    'tektoncd/catalog#190',
    `${push}unsupported status code 504; body: <html><body><h1>504 Gateway Time-out</h1>`,
    { reason: 'RegistryUnavailable' },
  ],
  [
    `${kaniko}#2463`,
    `${push}PATCH https://svr-nexus01:8128/v2/x/blobs/uploads/e9: UNKNOWN: unknown `,
    { reason: 'RegistryUnavailable' },
  ],
  [
    `${kaniko}#2470`,
    `${push}Patch "https://r.example/v2/x/blobs/uploads/1": use of closed network connection`,
    { reason: 'RegistryUnavailable' },
  ],
  [
    `${kaniko}#2167`,
    `${push}Patch "https://r.example/v2/x/blobs/uploads/1": unexpected EOF`,
    { reason: 'RegistryUnavailable' },
  ],
  [
    `${kaniko}#1754`,
    `${push}Patch "https://r.example/v2/x/blobs/uploads/fe": http2: Transport: cannot retry err [http2: Transport received Server's graceful shutdown GOAWAY] after Request.Body was written; define Request.GetBody to avoid this error`,
    { reason: 'Http2Failed', detail: /GOAWAY/ },
  ],
  [
    `${kaniko}#3118`,
    `${push}Patch "https://r.example/v2/x/blobs/uploads/1": stream error: stream ID 13; NO_ERROR; received from peer`,
    { reason: 'Http2Failed', detail: /stream error/ },
  ],
  [
    client,
    `${push}Get "https://r.example/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority; GET http://r.example/v2/: unexpected status code 400 Bad Request: Client sent an HTTP request to an HTTPS server.\n`,
    { reason: 'RegistryUnavailable', detail: /x509/ },
  ],
  [
    `${kaniko}#1467`,
    `${push}Get "https://r.example/v2/": dial tcp 10.82.128.17:443: connect: no route to host`,
    { reason: 'RegistryUnavailable' },
  ],
];

export const otherLogs: readonly RecordedLog[] = [
  [
    'executor 1.27.5, seen by hand',
    'Error: unknown flag: --image-format\nUsage:\n  executor [flags]\n  executor [command]\n',
    { reason: 'InternalError', detail: 'unknown flag: --image-format' },
  ],
  [
    `${oss}: cmd/executor/cmd/root.go`,
    'Error: error resolving dockerfile path: please provide a valid path to a Dockerfile within the build context with --dockerfile\nUsage:\n  executor [flags]\n',
    { reason: 'BuildFailed', detail: /valid path to a Dockerfile/ },
  ],
  [
    `${oss}: pkg/image/remote/remote.go`,
    said(
      'Unable to setup transport for registry "linux/arm64": failed to load certificate /ca.pem for r.example: open /ca.pem: no such file or directory',
      'fatal',
    ),
    { reason: 'InternalError', detail: /failed to load certificate \/ca\.pem/ },
  ],
  [
    `${kaniko}#1657`,
    'panic: runtime error: invalid memory address or nil pointer dereference\n[signal SIGSEGV: segmentation violation code=0x1 addr=0x18 pc=0x88c694]\n\ngoroutine 1 [running]:\ngithub.com/GoogleContainerTools/kaniko/pkg/util.mkdirAllWithPermissions(0xc0002bb810, 0xf)\n',
    { reason: 'BuilderLost', detail: /^kaniko crashed: panic: runtime error/ },
  ],
  [
    `${oss}: pkg/util/assert.go`,
    `${said('Assertion violated [executor.getfs.volumes-reset]: volumes', 'panic')}\npanic: (*logrus.Entry) 0xc0001\n\ngoroutine 1 [running]:\ngithub.com/osscontainertools/kaniko/pkg/util.Assert(...)\n`,
    {
      reason: 'BuilderLost',
      detail: 'kaniko crashed: Assertion violated [executor.getfs.volumes-reset]: volumes',
    },
  ],
  [
    `${kaniko}#1173`,
    'fatal error: runtime: out of memory\n\nruntime stack:\nruntime.throw(0x1b4c7a1, 0x16)\n\ngoroutine 1 [running]:\ngithub.com/GoogleContainerTools/kaniko/pkg/executor.DoBuild(0x1)\n',
    { reason: 'OutOfMemory' },
  ],
];
