{{/*
A Deployment of one of the roles, from: root, role, replicas, port (the one that answers probes), ports, and, each as
the text of a list, environment, mounts, volumes.
*/}}
{{- define "hephy.role" -}}
{{- $of := list .root .role -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "hephy.metadata" $of | nindent 2 }}
spec:
  replicas: {{ .replicas }}
  # No version works beside another one.
  strategy: { type: Recreate }
  selector:
    matchLabels:
      {{- include "hephy.selector" $of | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "hephy.labels" $of | nindent 8 }}
        {{- if (index .root.Values .role).serviceAccountAnnotations }}
        # Azure looks for it on each pod.
        azure.workload.identity/use: 'true'
        {{- end }}
      {{- with .root.Values.certificates }}
      # They are read at the start.
      annotations: { hephy-builder/certificates: {{ sha256sum . }} }
      {{- end }}
    spec:
      serviceAccountName: {{ include "hephy.name" $of }}
      # The worker alone asks anything of the cluster.
      automountServiceAccountToken: {{ eq .role "worker" }}
      # A Service of ours would set variables that begin with HEPHY_ otherwise, which are mistakes.
      enableServiceLinks: false
      # Longer than HEPHY_SHUTDOWN_SECONDS: a stop lets what is under way end.
      terminationGracePeriodSeconds: {{ add 10 (int (default 20 .root.Values.settings.HEPHY_SHUTDOWN_SECONDS)) }}
      securityContext:
        runAsNonRoot: true
        runAsUser: 65532
        runAsGroup: 65532
        fsGroup: 65532
        fsGroupChangePolicy: OnRootMismatch
        seccompProfile: { type: RuntimeDefault }
      {{- include "hephy.scheduling" .root | nindent 6 }}
      {{- with .affinity }}
      affinity: {{- . | nindent 8 }}
      {{- end }}
      containers:
        - name: {{ .role }}
          image: {{ .root.Values.image }}
          args: [{{ .role }}]
          securityContext:
            {{- include "hephy.noRights" . | nindent 12 }}
          resources: {{- toYaml (index .root.Values .role).resources | nindent 12 }}
          ports:
            {{- range $name, $number := .ports }}
            - { name: {{ $name }}, containerPort: {{ $number }} }
            {{- end }}
          {{- include "hephy.probes" .port | nindent 10 }}
          env:
            {{- include "hephy.environment" .root | nindent 12 }}
            {{- include "hephy.secretsEnvironment" $of | nindent 12 }}
            {{- .environment | nindent 12 }}
            {{- if .root.Values.certificates }}
            - { name: NODE_EXTRA_CA_CERTS, value: /etc/hephy/certificates/ca.pem }
            {{- end }}
          volumeMounts:
            - { name: data, mountPath: /var/lib/hephy }
            - { name: temporary, mountPath: /tmp }
            - { name: secrets, mountPath: /run/hephy, readOnly: true }
            {{- if .root.Values.certificates }}
            - { name: certificates, mountPath: /etc/hephy/certificates, readOnly: true }
            {{- end }}
            {{- with .mounts }}{{ . | nindent 12 }}{{ end }}
      volumes:
        - { name: data, emptyDir: {} }
        - { name: temporary, emptyDir: {} }
        {{- include "hephy.secretsVolume" $of | nindent 8 }}
        {{- if .root.Values.certificates }}
        - { name: certificates, configMap: { name: {{ include "hephy.name" (list .root "certificates") }} } }
        {{- end }}
        {{- with .volumes }}{{ . | nindent 8 }}{{ end }}
{{- end }}

{{/* Of the port with this name. */}}
{{- define "hephy.probes" -}}
# A first start migrates the record, and waits for the stores.
startupProbe:
  httpGet: { path: /livez, port: {{ . }} }
  periodSeconds: 2
  failureThreshold: 90
livenessProbe:
  httpGet: { path: /livez, port: {{ . }} }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: { path: /readyz, port: {{ . }} }
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end }}

{{/* The variables that every role has. */}}
{{- define "hephy.environment" -}}
- { name: HEPHY_DATA, value: /var/lib/hephy }
- { name: HEPHY_REGISTRY, value: {{ .Values.registry.address | quote }} }
- { name: HEPHY_REGISTRY_PLAIN_HTTP, value: {{ .Values.registry.plainHttp | quote }} }
- { name: HEPHY_PUBLIC_GIT_URL, value: {{ .Values.receiver.publicUrl | quote }} }
- { name: HEPHY_PUBLIC_API_URL, value: {{ .Values.api.publicUrl | quote }} }
{{- range $name, $value := .Values.settings }}
- { name: {{ $name }}, value: {{ ternary (printf "%d" (int64 $value)) (toString $value) (kindIs "float64" $value) | quote }} }
{{- end }}
{{- end }}

{{/* Of a role that users reach: (list . ROLE PORT-NAME). */}}
{{- define "hephy.service" }}
{{- $service := (index (index . 0).Values (index . 1)).service }}
apiVersion: v1
kind: Service
metadata:
  {{- include "hephy.metadata" . | nindent 2 }}
  {{- with $service.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: {{ $service.type }}
  ports:
    - name: {{ index . 2 }}
      port: {{ $service.port }}
      targetPort: {{ index . 2 }}
      {{- with $service.nodePort }}
      nodePort: {{ . }}
      {{- end }}
  selector:
    {{- include "hephy.selector" . | nindent 4 }}
{{- end }}
