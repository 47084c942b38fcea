// Holds calls, their answers and webhook payloads to GitHub's published OpenAPI descriptions.
//
//   node check.mjs <folder with node_modules> <file>
//
// The file: { "exchanges": [{ operation, status, query, request, response }], "payloads": [{ name, payload }] }.
// What is needed of the descriptions is extracted once into the folder (schemas.json): the whole takes seconds to read.

import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [folder, file] = process.argv.slice(2);
const require = createRequire(join(folder, "package.json"));
const Ajv = require("ajv/dist/2020").default;
const addFormats = require("ajv-formats").default;

const GENERAL = { type: "object", required: ["message"], properties: { message: { type: "string" } } };

const { exchanges = [], payloads = [] } = JSON.parse(readFileSync(file, "utf8"));
const schemas = extract(
  [...new Set(exchanges.map((one) => one.operation))].filter((name) => name !== "unknown"),
  [...new Set(payloads.map((one) => one.name))],
);

const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: true });
addFormats(ajv);
// Link templates (RFC 6570) are URIs to GitHub.
ajv.addFormat("uri", (text) => /^[a-z][a-z0-9+.-]*:\S+$/i.test(text));
for (const name of ["api", "webhooks"]) ajv.addSchema({ $id: name, components: schemas[name].components });

const compiled = new Map();
const problems = [];

function check(schema, base, value, where) {
  const key = base + JSON.stringify(schema);
  if (!compiled.has(key)) compiled.set(key, ajv.compile(absolute(schema, base)));
  const validate = compiled.get(key);
  if (!validate(value)) {
    for (const error of validate.errors.slice(0, 20)) {
      problems.push(`${where}: ${error.instancePath || "/"} ${error.message} ${JSON.stringify(error.params)}`);
    }
  }
}

for (const one of exchanges) {
  const where = `${one.operation} ${one.status}`;
  const operation = schemas.api.operations[one.operation];
  if (!operation) {
    problems.push(`${where}: GitHub describes no such operation`);
    continue;
  }
  for (const name of Object.keys(one.query ?? {})) {
    if (!operation.query.includes(name)) problems.push(`${where}: unknown field ?${name}`);
  }
  // A request that GitHub refuses may be as wrong as it likes; one that it accepts may not.
  if (one.status < 300 && operation.body && (operation.bodyRequired || one.request != null)) {
    check(operation.body, "api", one.request, `${where} request`);
    const known = operation.bodyFields;
    for (const name of Object.keys(one.request ?? {})) {
      if (!known.includes(name)) problems.push(`${where}: unknown field ${name} in the request`);
    }
  }
  const answer = operation.answers[one.status] ?? (one.status >= 300 ? { schema: GENERAL } : null);
  if (!answer) problems.push(`${where}: GitHub does not answer so`);
  else if (answer.schema) check(answer.schema, "api", one.response, where);
}
for (const { name, payload } of payloads) {
  const schema = schemas.webhooks.operations[name];
  if (!schema) problems.push(`${name}: GitHub describes no such delivery`);
  else check(schema, "webhooks", payload, name);
}

console.log(`${exchanges.length} calls and ${payloads.length} payloads checked, ${problems.length} problems`);
for (const problem of [...new Set(problems)].slice(0, 60)) console.log(`  ${problem}`);
process.exit(problems.length ? 1 : 0);

// ---- the part of the descriptions that is needed

function extract(operations, events) {
  const wanted = createHash("sha256").update(readFileSync(new URL(import.meta.url)))
    .update(JSON.stringify([operations.toSorted(), events.toSorted()])).digest("hex");
  const cache = join(folder, `schemas-${wanted.slice(0, 12)}.json`);
  if (existsSync(cache)) return JSON.parse(readFileSync(cache, "utf8"));
  const schemas = {
    api: pick(description("@octokit/openapi"), (all) => operationsOf(all, operations)),
    webhooks: pick(description("@octokit/openapi-webhooks"), (all) => webhooksOf(all, events)),
  };
  writeFileSync(cache, JSON.stringify(schemas));
  return schemas;
}

function description(name) {
  return JSON.parse(readFileSync(join(folder, "node_modules", name, "generated", "ghec.json"), "utf8"));
}

/** The schemas that `choose` returns, and every component they lead to. */
function pick(all, choose) {
  const operations = choose(all);
  const components = {};
  const follow = (value) => {
    if (Array.isArray(value)) return value.forEach(follow);
    if (value === null || typeof value !== "object") return;
    if (typeof value.$ref === "string" && value.$ref.startsWith("#/components/schemas/")) {
      const name = value.$ref.slice("#/components/schemas/".length);
      if (!(name in components)) {
        components[name] = plain(all.components.schemas[name]);
        follow(components[name]);
      }
    }
    Object.values(value).forEach(follow);
  };
  follow(operations);
  return { operations, components: { schemas: components } };
}

function operationsOf(all, names) {
  const found = {};
  for (const methods of Object.values(all.paths)) {
    for (const operation of Object.values(methods)) {
      if (!names.includes(operation.operationId)) continue;
      const body = operation.requestBody?.content?.["application/json"]?.schema;
      const answers = {};
      for (const [status, answer] of Object.entries(operation.responses)) {
        const schema = resolve(all, answer).content?.["application/json"]?.schema;
        answers[status] = { schema: schema && plain(schema) };
      }
      found[operation.operationId] = {
        query: (operation.parameters ?? []).map((one) => resolve(all, one)).filter((one) => one.in === "query").map((one) => one.name),
        body: body && plain(body),
        bodyFields: body ? Object.keys(resolve(all, body).properties ?? {}) : [],
        bodyRequired: operation.requestBody?.required ?? false,
        answers,
      };
    }
  }
  return found;
}

function webhooksOf(all, names) {
  const hooks = all.webhooks ?? all["x-webhooks"];
  return Object.fromEntries(
    names.filter((name) => hooks[name]).map((name) => [name, plain(hooks[name].post.requestBody.content["application/json"].schema)]),
  );
}

function resolve(all, value) {
  while (value?.$ref) value = value.$ref.split("/").slice(1).reduce((node, part) => node[part], all);
  return value;
}

/** OpenAPI's `nullable` as JSON Schema says it; examples out of the way. */
function plain(schema) {
  if (Array.isArray(schema)) return schema.map(plain);
  if (schema === null || typeof schema !== "object") return schema;
  const { nullable, example, examples, ...rest } = schema;
  // A slip of GitHub's: the account of a listed installation would have to be a user and an enterprise at once. One
  // installation alone says "any of", which is meant.
  if (rest.allOf?.some((one) => one.title === "Enterprise")) {
    rest.anyOf = rest.allOf;
    delete rest.allOf;
  }
  const result = Object.fromEntries(
    Object.entries(rest).map(([name, value]) => [name, name === "enum" || name === "const" ? value : plain(value)]),
  );
  if (!nullable) return result;
  return { anyOf: [{ type: "null" }, result] };
}

/** References as ajv finds them: from the schema they were taken out of. */
function absolute(schema, base) {
  if (Array.isArray(schema)) return schema.map((one) => absolute(one, base));
  if (schema === null || typeof schema !== "object") return schema;
  return Object.fromEntries(
    Object.entries(schema).map(([name, value]) =>
      name === "$ref" ? [name, `${base}${value}`] : [name, absolute(value, base)]),
  );
}
