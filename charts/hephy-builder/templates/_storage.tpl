{{/* A claim: (list . NAME STORAGE ACCESS-MODE). */}}
{{- define "hephy.claim" }}
{{- $storage := index . 2 }}
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  {{- include "hephy.metadata" . | nindent 2 }}
spec:
  accessModes: [{{ index . 3 }}]
  resources:
    requests:
      storage: {{ $storage.size }}
  {{- with $storage.storageClass }}
  storageClassName: {{ . }}
  {{- end }}
---
{{- end }}

{{/* The commits' files, for the two roles that have them: in a bucket, or on a volume. */}}
{{- define "hephy.sourcesEnvironment" -}}
{{- with .Values.sources.s3 }}
{{- if .bucket }}
- { name: HEPHY_S3_BUCKET, value: {{ .bucket }} }
- { name: HEPHY_S3_PREFIX, value: {{ .prefix | quote }} }
- { name: HEPHY_S3_REGION, value: {{ .region }} }
- { name: HEPHY_S3_ENDPOINT, value: {{ .endpoint | quote }} }
{{- end }}
{{- end }}
{{- end }}

{{- define "hephy.sourcesMount" -}}
{{- if not .Values.sources.s3.bucket }}
- { name: sources, mountPath: /var/lib/hephy/sources }
{{- end }}
{{- end }}

{{- define "hephy.sourcesVolume" -}}
{{- if not .Values.sources.s3.bucket }}
- name: sources
  persistentVolumeClaim: { claimName: {{ .Values.sources.storage.existingClaim | default (include "hephy.name" (list . "sources")) }} }
{{- end }}
{{- end }}
