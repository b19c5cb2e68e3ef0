// Microsoft's own parser of Kusto queries, for tests: reads {"tables": {name: schema}, "queries": {name: text}} from
// standard input and answers, for each query, its errors and the columns of its result with their types.
"use strict";

require("@kusto/language-service-next/bridge.min.js");
require("@kusto/language-service-next/Kusto.Language.Bridge.min.js");

const { GlobalState, KustoCode, Symbols } = Kusto.Language;
const given = JSON.parse(require("node:fs").readFileSync(0, "utf-8"));
const tables = Object.entries(given.tables).map(([name, schema]) => Symbols.TableSymbol.From(schema).WithName(name));
const globals = GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.ctor("workspace", tables));

const answers = {};
for (const [name, text] of Object.entries(given.queries)) {
  const code = KustoCode.ParseAndAnalyze(text, globals);
  const result = code.ResultType;
  const columns = result && result.Columns ? Bridge.toArray(result.Columns) : [];
  answers[name] = {
    errors: Bridge.toArray(code.GetDiagnostics()).map((each) => `${each.Start}: ${each.Message}`),
    columns: Object.fromEntries(columns.map((each) => [each.Name, each.Type.Name])),
  };
}
process.stdout.write(JSON.stringify(answers));
