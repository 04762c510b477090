{{/* The chart's name in names and labels, or what replaces it. */}}
{{- define "atlas-endpoints.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 45 | trimSuffix "-" }}
{{- end }}

{{/*
Name of all objects; at most 45 characters, so that what is appended to it still fits into 63.
It is a DNS label, as a Service's name has to be. The name of a release may have dots.
*/}}
{{- define "atlas-endpoints.fullname" -}}
{{- $name := include "atlas-endpoints.name" . }}
{{- $release := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) }}
{{- .Values.fullnameOverride | default $release | replace "." "-" | trunc 45 | trimSuffix "-" }}
{{- end }}

{{/* Labels by which Pods are found; they never change within a release. */}}
{{- define "atlas-endpoints.selectorLabels" -}}
app.kubernetes.io/name: {{ include "atlas-endpoints.name" . | quote }}
app.kubernetes.io/instance: {{ quote .Release.Name }}
{{- end }}

{{/* Labels of all objects. */}}
{{- define "atlas-endpoints.labels" -}}
{{ include "atlas-endpoints.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ quote .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" | quote }}
{{- end }}

{{/*
Metadata of an object.
Takes a dict: root (the context), name, namespace (empty for what has none), labels and annotations (more of them).
What is more particular wins over what is common.
*/}}
{{- define "atlas-endpoints.metadata" -}}
{{- $labels := include "atlas-endpoints.labels" .root | fromYaml }}
{{- $labels = merge dict (.labels | default dict) $labels (.root.Values.commonLabels | default dict) }}
{{- $annotations := merge dict (.annotations | default dict) (.root.Values.commonAnnotations | default dict) -}}
name: {{ quote .name }}
{{- with .namespace }}
namespace: {{ quote . }}
{{- end }}
labels:
  {{- toYaml $labels | nindent 2 }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "atlas-endpoints.image" -}}
{{- .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{- define "atlas-endpoints.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (.Values.serviceAccount.create | ternary (include "atlas-endpoints.fullname" .) "default") }}
{{- end }}

{{- define "atlas-endpoints.simulatorName" -}}
{{- include "atlas-endpoints.fullname" . }}-simulator
{{- end }}

{{/* Labels of the simulated Atlas, which is no Pod of the operator. */}}
{{- define "atlas-endpoints.simulatorLabels" -}}
app.kubernetes.io/name: {{ printf "%s-simulator" (include "atlas-endpoints.name" .) | quote }}
app.kubernetes.io/instance: {{ quote .Release.Name }}
{{- end }}

{{- define "atlas-endpoints.leaseName" -}}
{{- .Values.leaderElection.leaseName | default (include "atlas-endpoints.fullname" .) }}
{{- end }}

{{- define "atlas-endpoints.leaseNamespace" -}}
{{- .Values.leaderElection.leaseNamespace | default .Release.Namespace }}
{{- end }}

{{- define "atlas-endpoints.credentialsNamespace" -}}
{{- .Values.credentials.namespace | default .Release.Namespace }}
{{- end }}

{{/* Where certificates for Atlas are mounted. */}}
{{- define "atlas-endpoints.caFile" -}}
/etc/atlas-endpoints/ca/{{ .Values.caBundle.key }}
{{- end }}

{{/*
A security context as YAML. Takes a dict: root (the context), context (the values).
OpenShift assigns users and groups itself, and refuses fixed ones.
*/}}
{{- define "atlas-endpoints.securityContext" -}}
{{- $context := .context | default dict }}
{{- if .root.Values.openshift.enabled }}
{{- omit $context "runAsUser" "runAsGroup" "fsGroup" "supplementalGroups" | toYaml }}
{{- else }}
{{- toYaml $context }}
{{- end }}
{{- end }}
