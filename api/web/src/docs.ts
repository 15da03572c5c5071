// The API reference, built from openapi.json; nothing is loaded from another host.

interface Schema {
  $ref?: string;
  enum?: string[];
  const?: string;
  anyOf?: Schema[];
  type?: string;
  items?: Schema;
  additionalProperties?: Schema | boolean;
  format?: string;
  default?: unknown;
  description?: string;
  properties?: Record<string, Schema>;
}
interface Content {
  schema?: Schema;
  example?: unknown;
}
interface Operation {
  summary?: string;
  description?: string;
  parameters?: { name: string; schema: Schema; description?: string; required?: boolean }[];
  responses?: Record<string, { content?: Record<string, Content> }>;
}
interface Description {
  info: { description: string };
  paths: Record<string, Record<string, Operation>>;
  components?: { schemas?: Record<string, Schema> };
}
type Schemas = Record<string, Schema>;

// The description is made when it is first asked for.
const TIME_OUT_MS = 60_000;
const ASK_AGAIN_MS = 2000;

function make(name: string, text: string | null = null, ...children: Node[]): HTMLElement {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  made.append(...children);
  return made;
}

const lastPart = (reference: string): string => reference.split("/").pop() ?? "";

function nameOf(schema: Schema | undefined): string {
  if (!schema) return "";
  if (schema.$ref) return lastPart(schema.$ref);
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.const) return schema.const;
  if (schema.anyOf) return schema.anyOf.map(nameOf).filter((each) => each !== "null").join(" | ");
  if (schema.type === "array") return `${nameOf(schema.items)}[]`;
  if (typeof schema.additionalProperties === "object") return `{name: ${nameOf(schema.additionalProperties)}}`;
  return schema.format ?? schema.type ?? "";
}

const table = (rows: string[][]): HTMLElement => make("table", null, ...rows.map((row) => make("tr", null, ...row.map((cell) => make("td", cell)))));

function fieldsOf(schema: Schema | undefined, all: Schemas): [string, Schema][] {
  const target = schema?.$ref ? all[lastPart(schema.$ref)] : schema;
  return Object.entries(target?.properties ?? {});
}

const plain = (text: string | undefined): string => (text ?? "").replaceAll("`", "");

function parametersOf(operation: Operation): Node[] {
  const parameters = operation.parameters ?? [];
  if (!parameters.length) return [];
  const remark = (each: { schema: Schema; required?: boolean }): string => {
    if (each.required) return "required";
    return each.schema.default === undefined || each.schema.default === null ? "" : `default ${String(each.schema.default)}`;
  };
  return [make("h3", "Parameters"), table(parameters.map((each) => [each.name, nameOf(each.schema), each.description ?? "", remark(each)]))];
}

function answerOf(type: string, content: Content, all: Schemas): Node[] {
  const fields = fieldsOf(content.schema, all);
  const items = fields.find(([name]) => name === "items");
  const shown = items ? fieldsOf(items[1].items, all) : fields;
  const parts: Node[] = [make("h3", `Answer: ${type} ${nameOf(content.schema)}`)];
  if (shown.length) parts.push(table(shown.map(([name, each]) => [items ? `items[].${name}` : name, nameOf(each), each.description ?? ""])));
  if (content.example) parts.push(make("pre", typeof content.example === "string" ? content.example : JSON.stringify(content.example, null, 2)));
  return parts;
}

function describe(path: string, method: string, operation: Operation, all: Schemas): HTMLElement {
  const box = make("details");
  box.append(make("summary", null, make("code", `${method.toUpperCase()} ${path}`), make("span", operation.summary ?? "")));
  box.append(make("p", plain(operation.description)), ...parametersOf(operation));
  const [, answer] = Object.entries(operation.responses ?? {}).find(([status]) => status.startsWith("2")) ?? [];
  for (const [type, content] of Object.entries(answer?.content ?? {})) box.append(...answerOf(type, content, all));
  if (method === "get" && !path.includes("{") && !path.endsWith("/stream")) {
    const link = document.createElement("a");
    link.textContent = "open";
    link.href = `.${path}`;
    box.append(make("p", null, link));
  }
  return box;
}

const place = document.getElementById("docs");

/** Ask until it comes: a busy server makes it in its own time, and one that is away comes back. */
async function fetchDescription(): Promise<Description> {
  for (;;) {
    try {
      const answer = await fetch("api/v1/openapi.json", { signal: AbortSignal.timeout(TIME_OUT_MS) });
      if (answer.ok) return (await answer.json()) as Description;
    } catch {
      // Said below: the reason is the browser's, and in its console.
    }
    const words = make("p", "The server does not send the description of the API; asking again.");
    words.className = "empty";
    place?.replaceChildren(words);
    await new Promise((done) => setTimeout(done, ASK_AGAIN_MS));
  }
}

const description = await fetchDescription();
place?.replaceChildren(make("p", plain(description.info.description)));
for (const [path, operations] of Object.entries(description.paths)) {
  for (const [method, operation] of Object.entries(operations)) {
    place?.append(describe(path, method, operation, description.components?.schemas ?? {}));
  }
}

export {};
