"""The stand-ins that tests share, one for each part of the world.

- Storage: `storage_account` (in memory; `simulated_storage` breaks it by chance). Azurite wherever its own answers count.
- Receivers: `receivers` (sockets, byte by byte) for the client, `hooks` (HTTP servers with scripts) for the running app.
  The benchmarks' own (bench/receiver.py) is a process of its own, since it measures.
- Microsoft 365: local/m365 over HTTP; `simulated_tenant` for thousands of scans in memory.
- The host: local/host; `simulated_host` for thousands of crashes. Entra's key server: `key_server`.

`samples` and `format_events` make values.
"""
