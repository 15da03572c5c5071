// The API reference, built from openapi.json; nothing is loaded from another host.

const make = (name, text, ...children) => {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  made.append(...children);
  return made;
};

const nameOf = (schema) => {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.const) return schema.const;
  if (schema.anyOf) return schema.anyOf.map(nameOf).filter((each) => each !== "null").join(" | ");
  if (schema.type === "array") return `${nameOf(schema.items)}[]`;
  if (schema.additionalProperties) return `{name: ${nameOf(schema.additionalProperties)}}`;
  return schema.format ?? schema.type ?? "";
};

const table = (rows) => make("table", null, ...rows.map((row) => make("tr", null, ...row.map((cell) => make("td", cell)))));

function fieldsOf(schema, all) {
  const target = schema?.$ref ? all[schema.$ref.split("/").pop()] : schema;
  return Object.entries(target?.properties ?? {});
}

function describe(path, method, operation, all) {
  const box = make("details");
  box.append(make("summary", null, make("code", `${method.toUpperCase()} ${path}`), make("span", operation.summary ?? "")));
  box.append(make("p", (operation.description ?? "").replaceAll("`", "")));
  const parameters = operation.parameters ?? [];
  if (parameters.length) {
    box.append(make("h3", "Parameters"), table(parameters.map((each) => [
      each.name, nameOf(each.schema), each.description ?? "", each.required ? "required" : "default" in each.schema && each.schema.default !== null ? `default ${each.schema.default}` : "",
    ])));
  }
  const answers = Object.entries(operation.responses ?? {}).filter(([status]) => status.startsWith("2"));
  for (const [type, content] of Object.entries(answers[0]?.[1].content ?? {})) {
    const fields = fieldsOf(content.schema, all);
    box.append(make("h3", `Answer: ${type} ${nameOf(content.schema)}`));
    const items = fields.find(([name]) => name === "items");
    const shown = items ? fieldsOf(items[1].items, all) : fields;
    if (shown.length) box.append(table(shown.map(([name, each]) => [items ? `items[].${name}` : name, nameOf(each), each.description ?? ""])));
    if (content.example) box.append(make("pre", typeof content.example === "string" ? content.example : JSON.stringify(content.example, null, 2)));
  }
  if (method === "get" && !path.includes("{") && !path.endsWith("/stream")) {
    const link = make("a", "open");
    link.href = `.${path}`;
    box.append(make("p", null, link));
  }
  return box;
}

const answer = await fetch("api/v1/openapi.json");
const description = await answer.json();
const place = document.getElementById("docs");
place.replaceChildren(make("p", description.info.description.replaceAll("`", "")));
for (const [path, operations] of Object.entries(description.paths)) {
  for (const [method, operation] of Object.entries(operations)) {
    place.append(describe(path, method, operation, description.components?.schemas ?? {}));
  }
}
