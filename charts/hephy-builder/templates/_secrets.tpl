{{/* The Secret of the operator's token, and those of users, empty where there is nobody: (list . "registry" VALUES NAME). */}}
{{- define "hephy.operatorSecret" -}}
{{- .Values.operator.existingSecret | default (include "hephy.name" (list . "operator")) }}
{{- end }}
{{- define "hephy.userSecret" -}}
{{- $made := ternary (include "hephy.name" .) "" (ne (index . 3) "") }}
{{- (index . 2).existingSecret | default $made }}
{{- end }}

{{/* The secrets of a role as a list, each with its variable: (list . ROLE). Nobody has one that it does not need. */}}
{{- define "hephy.secretsOfRole" -}}
{{- $root := index . 0 }}
{{- $role := index . 1 }}
{{- with $root.Values }}
{{- range $store, $variable := dict "database" "HEPHY_DATABASE_URL" "redis" "HEPHY_REDIS_URL" }}
{{- $values := index $root.Values $store }}
- variable: {{ $variable }}
  secret: {{ $values.existingSecret | default (include "hephy.name" (list $root $store)) }}
  key: {{ ternary $values.key "url" (ne $values.existingSecret "") }}
{{- end }}
{{- $publisher := include "hephy.userSecret" (list $root "registry" .registry .registry.username) }}
{{- $builder := include "hephy.userSecret" (list $root "builder" .registry.builder .registry.builder.username) }}
{{- if and $publisher (or (eq $role "publisher") (and (eq $role "worker") (not $builder))) }}
- { variable: HEPHY_REGISTRY_PASSWORD, secret: {{ $publisher }}, key: password, user: HEPHY_REGISTRY_USERNAME, userKey: username }
{{- end }}
{{- if and $builder (eq $role "worker") }}
- { variable: HEPHY_BUILDER_PASSWORD, secret: {{ $builder }}, key: password, user: HEPHY_BUILDER_USERNAME, userKey: username }
{{- end }}
{{- if and .builds.pullSecret (eq $role "worker") }}
- { variable: HEPHY_BUILDER_PULL_CONFIG, secret: {{ .builds.pullSecret }}, key: .dockerconfigjson }
{{- end }}
{{- $bucket := include "hephy.userSecret" (list $root "s3" .sources.s3 .sources.s3.accessKeyId) }}
{{- if and $bucket .sources.s3.bucket (has $role (list "receiver" "worker")) }}
- { variable: HEPHY_S3_SECRET_ACCESS_KEY, secret: {{ $bucket }}, key: secretAccessKey, user: HEPHY_S3_ACCESS_KEY_ID, userKey: accessKeyId }
{{- end }}
{{- end }}
{{- end }}

{{/* Of the two roles that push, unless builders push as a user of their own: (list . ROLE). */}}
{{- define "hephy.helperEnvironment" -}}
{{- $registry := (index . 0).Values.registry }}
{{- $isOthers := and (eq (index . 1) "worker") (or $registry.builder.username $registry.builder.existingSecret) }}
{{- if and $registry.credentialHelper (not $isOthers) }}
- { name: HEPHY_REGISTRY_CREDENTIAL_HELPER, value: {{ $registry.credentialHelper | quote }} }
{{- end }}
{{- end }}

{{- define "hephy.secretsEnvironment" -}}
{{- range include "hephy.secretsOfRole" . | fromYamlArray }}
- { name: {{ .variable }}_FILE, value: /run/hephy/{{ .variable }} }
{{- if .user }}
- name: {{ .user }}
  valueFrom: { secretKeyRef: { name: {{ .secret }}, key: {{ .userKey }} } }
{{- end }}
{{- end }}
{{- end }}

{{- define "hephy.secretsVolume" -}}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- range include "hephy.secretsOfRole" . | fromYamlArray }}
      - secret: { name: {{ .secret }}, items: [{ key: {{ .key }}, path: {{ .variable }} }] }
      {{- end }}
{{- end }}

{{/* What a Secret of the release has under a key already, else the fallback: (list . "operator" "token" FALLBACK). */}}
{{- define "hephy.kept" -}}
{{- $found := lookup "v1" "Secret" (index . 0).Release.Namespace (include "hephy.name" .) }}
{{- $kept := dig "data" (index . 2) "" $found | b64dec }}
{{- $kept | default (index . 3) }}
{{- end }}
