{{/* What pods of roles and of servers share. */}}
{{- define "hephy.scheduling" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "hephy.noRights" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{- define "hephy.kanikoImage" -}}
{{ .Values.kaniko.image }}{{ ternary "-debug" "" .Values.kaniko.debug }}
{{- end }}

{{/* Of PostgreSQL's and Redis' pods. The number is their user's in the images that are the default. */}}
{{- define "hephy.serverSettings" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 999
  runAsGroup: 999
  fsGroup: 999
  seccompProfile: { type: RuntimeDefault }
{{- include "hephy.scheduling" . | nindent 0 }}
{{- end }}
