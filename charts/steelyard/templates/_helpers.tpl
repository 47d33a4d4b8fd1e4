{{- define "steelyard.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "steelyard.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: steelyard
{{- end -}}

{{/* selector labels: (list . component) */}}
{{- define "steelyard.selector" -}}
app.kubernetes.io/name: steelyard
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "steelyard.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- define "steelyard.gossipSecret" -}}
{{ .Values.gossip.existingSecret | default (printf "%s-gossip" (include "steelyard.name" .)) }}
{{- end -}}

{{/* environment that all processes share */}}
{{- define "steelyard.env" -}}
- name: STEELYARD_LOG_LEVEL
  value: {{ .Values.log.level | quote }}
- name: STEELYARD_LOG_FORMAT
  value: {{ .Values.log.format | quote }}
- name: STEELYARD_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: STEELYARD_POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
{{- with .Values.kubernetesAPI.host }}
- name: STEELYARD_KUBERNETES_API_HOST
  value: {{ . | quote }}
- name: STEELYARD_KUBERNETES_API_PORT
  value: {{ $.Values.kubernetesAPI.port | quote }}
{{- end }}
{{- if .Values.metrics.tls }}
- name: STEELYARD_METRICS_TLS
  value: "true"
{{- end }}
{{- end -}}

{{/* pod fields that all components share: (list . component-values) */}}
{{- define "steelyard.placement" -}}
{{- $v := index . 1 -}}
{{- with (index . 0).Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $v.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* topology spread over nodes: (list . component) */}}
{{- define "steelyard.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "steelyard.selector" . | nindent 8 }}
{{- end -}}

{{/* a PodDisruptionBudget: (list . component) */}}
{{- define "steelyard.pdb" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "steelyard.name" (index . 0) }}-{{ index . 1 }}
  namespace: {{ (index . 0).Release.Namespace }}
  labels: {{- include "steelyard.labels" (index . 0) | nindent 4 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels: {{- include "steelyard.selector" . | nindent 6 }}
{{- end -}}

{{- define "steelyard.unprivileged" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* What the ingress processes and the controller have to agree on. */}}
{{- define "steelyard.ingressArgs" -}}
- --ingress-controller={{ .Values.ingress.class.controller }}
- --external-names={{ .Values.ingress.externalNames.enabled }}
- --hosts-of-oldest={{ .Values.ingress.hostsOfOldest }}
{{- range $host, $namespaces := .Values.ingress.hostOwners }}
- {{ printf "--host-owner=%s=%s" $host (join "," $namespaces) | quote }}
{{- end }}
{{- end }}
