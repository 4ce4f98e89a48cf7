{{/* Of an object of the release: (list . "worker"). */}}
{{- define "hephy.name" -}}
{{ (index . 0).Release.Name | trunc 40 | trimSuffix "-" }}-{{ index . 1 }}
{{- end }}

{{/* By which Services, policies and budgets find the pods of a component: (list . "worker"). */}}
{{- define "hephy.selector" -}}
app.kubernetes.io/name: hephy-builder
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "hephy.labels" -}}
{{ include "hephy.selector" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
helm.sh/chart: {{ (index . 0).Chart.Name }}-{{ (index . 0).Chart.Version }}
{{- end }}

{{/* Name, labels and, but for what belongs to the cluster, the release's namespace. */}}
{{- define "hephy.metadata" -}}
name: {{ include "hephy.name" . }}
namespace: {{ (index . 0).Release.Namespace }}
labels:
  {{- include "hephy.labels" . | nindent 2 }}
{{- end }}

{{/* The same of the namespace that builds run in. */}}
{{- define "hephy.buildsMetadata" -}}
name: {{ include "hephy.name" . }}
namespace: {{ (index . 0).Values.builds.namespace }}
labels:
  {{- include "hephy.labels" . | nindent 2 }}
{{- end }}
