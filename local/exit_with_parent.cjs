// Loaded into Azurite's process before it starts. Its standard input is a pipe that the supervisor holds: when the
// supervisor is gone, even killed outright, the pipe ends, and so does Azurite. Waiting for that keeps nothing alive.
process.stdin.on("end", () => process.exit(0)).resume();
process.stdin.unref();
