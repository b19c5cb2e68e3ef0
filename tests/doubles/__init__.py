"""The stand-ins that tests share, one for each part of the world.

- Storage: `storage_account`, in memory, which `simulated_storage` breaks by chance. Azurite where its answers count.
- Receivers: `receivers` for the client, made of sockets; `hooks` for the running app, HTTP servers with scripts.
  The benchmarks' own (bench/receiver.py) is a process of its own, since it measures.
- Microsoft 365: local/m365 over HTTP; `simulated_tenant` for thousands of scans in memory.
- The host: local/host; `simulated_host` for thousands of crashes. Entra's key server: `key_server`.

`samples` and `format_events` make values.
"""
