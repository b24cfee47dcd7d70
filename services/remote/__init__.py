"""Remote control: markers and recordings by HTTP, WebSocket, and LabRecorder's TCP protocol."""
