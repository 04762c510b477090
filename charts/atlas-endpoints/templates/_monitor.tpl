{{/* How metrics are read, for a ServiceMonitor or a PodMonitor: a list, as YAML. Takes the values of the monitor. */}}
{{- define "atlas-endpoints.scrape" -}}
- port: http
  path: /metrics
  {{- with .interval }}
  interval: {{ quote . }}
  {{- end }}
  {{- with .scrapeTimeout }}
  scrapeTimeout: {{ quote . }}
  {{- end }}
  {{- with .relabelings }}
  relabelings:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .metricRelabelings }}
  metricRelabelings:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
