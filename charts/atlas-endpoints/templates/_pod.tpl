{{/* Volumes of the Pod: a list, as YAML. */}}
{{- define "atlas-endpoints.volumes" -}}
{{- with .Values.caBundle }}
{{- if or .configMap .secret }}
- name: ca
  {{- if .configMap }}
  configMap:
    name: {{ quote .configMap }}
  {{- else }}
  secret:
    secretName: {{ quote .secret }}
  {{- end }}
    items:
      - key: {{ quote .key }}
        path: {{ quote .key }}
{{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What the container mounts: a list, as YAML. */}}
{{- define "atlas-endpoints.volumeMounts" -}}
{{- if or .Values.caBundle.configMap .Values.caBundle.secret }}
- name: ca
  mountPath: {{ include "atlas-endpoints.caFile" . | dir | quote }}
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/*
How Pods are replaced, as YAML. With a Lease the new Pod stands by until the old one lets go of it, so an update is an
interruption of a second. Without one, two operators would send what one of them has decided.
*/}}
{{- define "atlas-endpoints.strategy" -}}
{{- if .Values.strategy }}
{{- toYaml .Values.strategy }}
{{- else if .Values.leaderElection.enabled -}}
type: RollingUpdate
rollingUpdate:
  maxSurge: 1
  maxUnavailable: 0
{{- else -}}
type: Recreate
{{- end }}
{{- end }}

{{/* How replicas are spread: a list, as YAML. */}}
{{- define "atlas-endpoints.topologySpreadConstraints" -}}
{{- range .Values.topologySpreadConstraints }}
- {{- toYaml . | nindent 2 }}
  {{- if not (hasKey . "labelSelector") }}
  labelSelector:
    matchLabels:
      {{- include "atlas-endpoints.selectorLabels" $ | nindent 6 }}
  {{- end }}
{{- end }}
{{- end }}
