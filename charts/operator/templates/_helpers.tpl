{{- define "operator.labels" -}}
app.kubernetes.io/name: analytics-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: llm-observatory
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "operator.selector" -}}
app.kubernetes.io/name: analytics-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "operator.image" -}}
{{- $tag := .Values.image.tag | default (ternary "" .Chart.AppVersion (not (empty .Values.image.digest))) -}}
{{ .Values.image.repository }}{{ with $tag }}:{{ . }}{{ end }}{{ with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/* What the operator calls in a namespace that it watches; every rule says why. */}}
{{- define "operator.rules" -}}
# The informer of the resources, and the read before every look.
- apiGroups: [analytics.llm-observatory.io]
  resources: [analyticsapis]
  verbs: [get, list, watch]
# Conditions and counts are written by server-side apply.
- apiGroups: [analytics.llm-observatory.io]
  resources: [analyticsapis/status]
  verbs: [patch]
# Children block their owner's deletion (blockOwnerDeletion), which the API server grants only with this.
- apiGroups: [analytics.llm-observatory.io]
  resources: [analyticsapis/finalizers]
  verbs: [update]
# Children that are applied (patch; create is what an apply of a new object needs), watched, and deleted when not wanted any more.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [serviceaccounts, services]
  verbs: [get, list, watch, create, patch]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch, create, patch, delete]
# Migrations: each attempt is created once, never changed; all but the last success and failure are deleted.
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, delete]
# Referenced Secrets are read by name; the generated one is created. No list, no watch, no change: those of others stay unseen.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create]
# Why pods do not start, and what a migration left in its termination message.
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
# Which ConfigMaps old pods still read.
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [list]
# What people would want to know.
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- end }}
