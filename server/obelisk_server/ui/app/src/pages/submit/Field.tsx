/** A form for a value of any WIT type. */

import type { ComponentChildren, JSX } from "preact";
import { useId } from "preact/hooks";
import { type Draft, type Problem, blank, blankCase, casesOf, isBytes } from "../../values/draft.ts";
import { INTEGERS, type Named, type WitType, isInteger, printType, snake } from "../../values/types.ts";

type FieldProps = {
  type: WitType;
  draft: Draft;
  label: string;
  /** Where it is in the value, as problems name it. */
  path: string;
  problems: Problem[];
  onChange: (draft: Draft) => void;
};

const TYPE_SHOWN = 40;

export function Field(props: FieldProps): JSX.Element {
  const { type, draft } = props;
  switch (draft.kind) {
    case "switch":
      return <SwitchField {...props} on={draft.on} />;
    case "names":
      return <FlagsField {...props} chosen={draft.chosen} />;
    case "maybe":
      return <OptionField {...props} some={draft.some} />;
    case "case":
      return <CaseField {...props} name={draft.name} payload={draft.payload} />;
    case "items":
      return type.kind === "list" ? (
        <ListField {...props} items={draft.items} />
      ) : (
        <FieldsField {...props} items={draft.items} />
      );
    case "text":
      return <TextField {...props} text={draft.text} />;
  }
}

function TypeHint({ type }: { type: WitType }): JSX.Element {
  const text = printType(type);
  return (
    <code class="type-hint" title={text}>
      {text.length > TYPE_SHOWN ? type.kind : text}
    </code>
  );
}

function Group({ type, label, extra, children }: GroupProps): JSX.Element {
  return (
    <fieldset class="group">
      <legend>
        {label} <TypeHint type={type} />
      </legend>
      {extra}
      {children}
    </fieldset>
  );
}
type GroupProps = { type: WitType; label: string; extra?: ComponentChildren; children?: ComponentChildren };

function TextField({ type, text, label, path, problems, onChange }: FieldProps & { text: string }): JSX.Element {
  const id = useId();
  const problem = problems.find((each) => each.path === path);
  const attributes = {
    id,
    value: text,
    "aria-invalid": problem !== undefined,
    "aria-describedby": problem ? `${id}-problem` : undefined,
    onInput: (event: Event) => onChange({ kind: "text", text: (event.currentTarget as HTMLInputElement).value }),
  };
  return (
    <div class="field">
      <label for={id}>
        {label} <TypeHint type={type} />
      </label>
      {type.kind === "enum" ? (
        <select {...attributes}>
          {type.names.map((name) => (
            <option key={name}>{snake(name)}</option>
          ))}
        </select>
      ) : type.kind === "string" ? (
        <textarea {...attributes} rows={Math.min(12, text.split("\n").length)} spellcheck={false} />
      ) : (
        <input
          {...attributes}
          type="text"
          inputMode={isInteger(type.kind) ? "numeric" : undefined}
          placeholder={placeholder(type)}
          spellcheck={false}
          autocomplete="off"
        />
      )}
      {problem && (
        <p class="problem" id={`${id}-problem`}>
          {problem.message}
        </p>
      )}
    </div>
  );
}

function placeholder(type: WitType): string {
  if (isInteger(type.kind)) return INTEGERS[type.kind].join(" … ");
  if (isBytes(type)) return "10, 255 or 0x0aff or base64:Cv8=";
  return "";
}

function SwitchField({ type, on, label, onChange }: FieldProps & { on: boolean }): JSX.Element {
  return (
    <label class="check field-check">
      <input type="checkbox" checked={on} onChange={() => onChange({ kind: "switch", on: !on })} />
      {label} <TypeHint type={type} />
    </label>
  );
}

function FlagsField({ type, chosen, label, onChange }: FieldProps & { chosen: string[] }): JSX.Element {
  const names = type.kind === "flags" ? type.names.map(snake) : [];
  const toggle = (name: string): void =>
    onChange({
      kind: "names",
      chosen: chosen.includes(name) ? chosen.filter((each) => each !== name) : [...chosen, name],
    });
  return (
    <Group type={type} label={label}>
      {names.map((name) => (
        <label key={name} class="check">
          <input type="checkbox" checked={chosen.includes(name)} onChange={() => toggle(name)} /> {name}
        </label>
      ))}
    </Group>
  );
}

function OptionField({
  type,
  some,
  label,
  path,
  problems,
  onChange,
}: FieldProps & { some: Draft | null }): JSX.Element {
  if (type.kind !== "option") return <></>;
  const { item } = type;
  const inner = item.kind === "option" ? `${path}.some` : path;
  return (
    <Group
      type={type}
      label={label}
      extra={
        <label class="check">
          <input
            type="checkbox"
            checked={some !== null}
            onChange={() => onChange({ kind: "maybe", some: some === null ? blank(item) : null })}
          />{" "}
          give a value
        </label>
      }
    >
      {some !== null && (
        <Field
          type={item}
          draft={some}
          label={label}
          path={inner}
          problems={problems}
          onChange={(draft) => onChange({ kind: "maybe", some: draft })}
        />
      )}
    </Group>
  );
}

type CaseProps = FieldProps & { name: string; payload: Draft | null };

function CaseField({ type, name, payload, label, path, problems, onChange }: CaseProps): JSX.Element {
  const cases = casesOf(type);
  const found = cases.find((each) => snake(each.name) === name);
  const id = useId();
  return (
    <Group
      type={type}
      label={label}
      extra={
        <div class="field">
          <label for={id} class="visually-hidden">
            case of {label}
          </label>
          <select
            id={id}
            value={name}
            onChange={(event) =>
              onChange(blankCase(cases.find((each) => snake(each.name) === event.currentTarget.value)))
            }
          >
            {cases.map((each) => (
              <option key={each.name}>{snake(each.name)}</option>
            ))}
          </select>
        </div>
      }
    >
      {found?.type && payload && (
        <Field
          type={found.type}
          draft={payload}
          label={name}
          path={`${path}.${name}`}
          problems={problems}
          onChange={(draft) => onChange({ kind: "case", name, payload: draft })}
        />
      )}
    </Group>
  );
}

/** Records and tuples: as many fields as the type has. */
function FieldsField({ type, items, label, path, problems, onChange }: FieldProps & { items: Draft[] }): JSX.Element {
  const fields: (Named & { step: string })[] =
    type.kind === "record"
      ? type.fields.map((field) => ({ ...field, step: `.${snake(field.name)}` }))
      : type.kind === "tuple"
        ? type.items.map((item, index) => ({ name: String(index), type: item, step: `[${index}]` }))
        : [];
  return (
    <Group type={type} label={label}>
      {fields.map((field, index) => (
        <Field
          key={field.name}
          type={field.type}
          draft={items[index] ?? blank(field.type)}
          label={field.name}
          path={path + field.step}
          problems={problems}
          onChange={(draft) => onChange({ kind: "items", items: items.with(index, draft) })}
        />
      ))}
    </Group>
  );
}

function ListField({ type, items, label, path, problems, onChange }: FieldProps & { items: Draft[] }): JSX.Element {
  if (type.kind !== "list") return <></>;
  const change = (changed: Draft[]): void => onChange({ kind: "items", items: changed });
  return (
    <Group type={type} label={label}>
      <ol class="list-items" start={0}>
        {items.map((item, index) => (
          <li key={index}>
            <Field
              type={type.item}
              draft={item}
              label={`${label} ${index}`}
              path={`${path}[${index}]`}
              problems={problems}
              onChange={(draft) => change(items.with(index, draft))}
            />
            <button
              type="button"
              class="quiet"
              aria-label={`remove ${label} ${index}`}
              onClick={() => change(items.toSpliced(index, 1))}
            >
              remove
            </button>
          </li>
        ))}
      </ol>
      <button type="button" onClick={() => change([...items, blank(type.item)])}>
        add to {label}
      </button>
    </Group>
  );
}
