// Calls as commands, with the variables that the documentation uses: $app, $auth and $json.

/** The shells, by the name that is kept in the browser. */
export const SHELLS = { bash: "bash and curl", powershell: "PowerShell" };

/** The lines that set the variables. `local`: the app is on this machine. `scheme` is of the header Authorization. */
export function settingUp(shell, { address, clientId, local, scheme }) {
  if (local) return shell === "bash" ? `eval "$(python3 dev.py env)"` : "python dev.py env --shell powershell | Out-String | Invoke-Expression";
  const token = `az account get-access-token --scope "api://${clientId ?? "<client id>"}/.default" --query accessToken --output tsv`;
  if (shell === "bash") return [`app=${address}`, `token=$(${token})`, `auth="Authorization: ${scheme} $token"`, `json="Content-Type: application/json"`].join("\n");
  return [`$app = '${address}'`, `$token = ${token}`, `$auth = @{ Authorization = "${scheme} $token" }`, `$json = 'application/json'`].join("\n");
}

/** An operation as a command; the parts of its path that are to be filled in are in angle brackets. */
export function command(shell, operation) {
  return shell === "bash" ? curl(operation) : powershell(operation);
}

const filledIn = (path) => path.replace(/\{(\w+)\}/g, "<$1>");

function curl({ method, path, roles, body }) {
  const parts = [`curl -sS${method === (body ? "POST" : "GET") ? "" : ` -X ${method}`} "$app${filledIn(path)}"`];
  if (roles.length) parts.push(`-H "$auth"`);
  if (body) parts.push(`-H "$json" -d '${JSON.stringify(body.example, null, 2).replaceAll("'", "'\\''")}'`);
  return parts.join(" ");
}

function powershell({ method, path, roles, body }) {
  const parts = [`Invoke-RestMethod "$app${filledIn(path)}"`];
  if (method !== "GET") parts.push(`-Method ${method[0]}${method.slice(1).toLowerCase()}`);
  if (roles.length) parts.push("-Headers $auth");
  if (body) parts.push(`-ContentType $json -Body @'\n${JSON.stringify(body.example, null, 2)}\n'@`);
  return parts.join(" ");
}
