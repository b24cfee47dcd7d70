{{- define "affectline.labels" -}}
app.kubernetes.io/name: affectline
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/*
A process of the pipeline as its own Deployment.
Takes a dict: root, name, args, and optionally replicas, resources, sessions (whether it writes
there), streams (those that it reads from the settings: if they change, it restarts).
*/}}
{{- define "affectline.process" -}}
{{- $root := .root -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $root.Release.Name }}-{{ .name }}
  labels:
    {{- include "affectline.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
spec:
  {{- if not .isScaled }}
  replicas: {{ .replicas | default 1 }}
  {{- end }}
  {{- if not .isWorker }}
  strategy: {type: Recreate} # two instances would publish everything twice
  {{- end }}
  selector:
    matchLabels:
      app.kubernetes.io/instance: {{ $root.Release.Name }}
      app.kubernetes.io/component: {{ .name }}
  template:
    metadata:
      labels:
        {{- include "affectline.labels" $root | nindent 8 }}
        app.kubernetes.io/component: {{ .name }}
        {{- if .sessions }}
        affectline/sessions: shared
        {{- end }}
      annotations:
        checksum/settings: {{ dict "settings" $root.Values.settings "streams" (.streams | default list) | toYaml | sha256sum }}
    spec:
      automountServiceAccountToken: false
      securityContext:
        runAsNonRoot: true
        runAsUser: 10001
        runAsGroup: 10001
        fsGroup: 10001
        seccompProfile: {type: RuntimeDefault}
      {{- if .isWorker }}
      topologySpreadConstraints: # spread over as many hosts as possible
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              app.kubernetes.io/instance: {{ $root.Release.Name }}
              app.kubernetes.io/component: {{ .name }}
      {{- end }}
      {{- if and .sessions (ne $root.Values.sessions.accessMode "ReadWriteMany") }}
      affinity: # only pods of one node can mount the volume
        podAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            - topologyKey: kubernetes.io/hostname
              labelSelector:
                matchLabels:
                  app.kubernetes.io/instance: {{ $root.Release.Name }}
                  affectline/sessions: shared
      {{- end }}
      containers:
        - name: {{ .process | default .name }}
          image: "{{ $root.Values.image.repository }}:{{ $root.Values.image.tag | default $root.Chart.AppVersion }}"
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          args: {{ toJson (concat .args (list "--config" "/run/affectline/settings.yaml")) }}
          env:
            - {name: AFFECTLINE_HEARTBEAT_FILE, value: /tmp/heartbeat}
            - {name: AFFECTLINE_KEYS, value: /run/keys}
          {{- with .ports }}
          ports:
            {{- range . }}
            - {name: {{ .name }}, containerPort: {{ .port }}}
            {{- end }}
          {{- end }}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {drop: [ALL]}
          livenessProbe: # every process touches the file twice a second
            exec:
              command: [sh, -c, "find /tmp/heartbeat -newermt '5 seconds ago' | grep -q ."]
            initialDelaySeconds: 20
            periodSeconds: 5
            timeoutSeconds: 5
            failureThreshold: 3
          readinessProbe:
            exec:
              command: [sh, -c, "find /tmp/heartbeat -newermt '5 seconds ago' | grep -q ."]
            periodSeconds: 5
            timeoutSeconds: 5
          resources:
            {{- toYaml (.resources | default $root.Values.resources) | nindent 12 }}
          volumeMounts:
            - {name: settings, mountPath: /run/affectline, readOnly: true}
            - {name: keys, mountPath: /run/keys, readOnly: true}
            - {name: scratch, mountPath: /tmp}
            {{- if .sessions }}
            - {name: sessions, mountPath: /app/sessions}
            {{- end }}
      volumes:
        - name: settings
          secret: {secretName: {{ $root.Release.Name }}-settings}
        - name: keys
          secret:
            {{- if eq .name "hub" }}
            secretName: {{ $root.Values.keys.hub }}
            items: # the hub reads the keys that it allows from a folder
              - {key: hub.key_secret, path: hub.key_secret}
              {{- range $root.Values.keys.allowed }}
              - {key: {{ . }}.key, path: allowed/{{ . }}.key}
              {{- end }}
            {{- else }}
            secretName: {{ $root.Values.keys.parts }}
            {{- end }}
            defaultMode: 0440
        - name: scratch
          emptyDir: {sizeLimit: 64Mi}
        {{- if .sessions }}
        - name: sessions
          persistentVolumeClaim:
            claimName: {{ $root.Values.sessions.existingClaim | default (printf "%s-sessions" $root.Release.Name) }}
        {{- end }}
{{- end }}
