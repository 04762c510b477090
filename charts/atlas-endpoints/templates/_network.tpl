{{/* The ports that the operator calls, those of proxies included: a list, as YAML. */}}
{{- define "atlas-endpoints.egressPorts" -}}
{{- $ports := list }}
{{- range .Values.networkPolicy.egressPorts }}
{{- $ports = append $ports (int .) }}
{{- end }}
{{- range list .Values.proxy.https .Values.proxy.http .Values.settings.atlasUrl }}
{{- if . }}
{{- $url := urlParse . }}
{{- $given := regexFind ":[0-9]+$" $url.host | trimPrefix ":" }}
{{- $ports = append $ports (int (default (eq $url.scheme "https" | ternary "443" "80") $given)) }}
{{- end }}
{{- end }}
{{- if .Values.simulator.enabled }}
{{- $ports = append $ports 8090 }}
{{- end }}
{{- uniq $ports | toYaml }}
{{- end }}

{{/* Labels of the Pod of `helm test`. */}}
{{- define "atlas-endpoints.testLabels" -}}
app.kubernetes.io/name: {{ printf "%s-test" (include "atlas-endpoints.name" .) | quote }}
app.kubernetes.io/instance: {{ quote .Release.Name }}
{{- end }}
