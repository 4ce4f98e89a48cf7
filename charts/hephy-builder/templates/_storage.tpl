{{/* A claim: (list . NAME STORAGE ACCESS-MODE). */}}
{{- define "hephy.claim" }}
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  {{- include "hephy.metadata" . | nindent 2 }}
spec:
  {{- include "hephy.claimSpec" (slice . 2) | nindent 2 }}
---
{{- end }}

{{/* (list STORAGE ACCESS-MODE) */}}
{{- define "hephy.claimSpec" -}}
{{- $storage := index . 0 -}}
accessModes: [{{ index . 1 }}]
resources:
  requests:
    storage: {{ $storage.size }}
{{- with $storage.storageClass }}
storageClassName: {{ . }}
{{- end }}
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

{{/* What is on its way to a bucket: a full volume refuses a push, a full disk of the node has the receiver evicted. */}}
{{- define "hephy.spoolMount" -}}
{{- if and .Values.sources.s3.bucket .Values.sources.s3.spool.size }}
- { name: spool, mountPath: /var/lib/hephy/spool }
{{- end }}
{{- end }}

{{- define "hephy.spoolVolume" -}}
{{- if and .Values.sources.s3.bucket .Values.sources.s3.spool.size }}
- name: spool
  ephemeral:
    volumeClaimTemplate:
      spec:
        {{- include "hephy.claimSpec" (list .Values.sources.s3.spool "ReadWriteOnce") | nindent 8 }}
{{- end }}
{{- end }}
