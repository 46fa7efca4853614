// JavaScript has no library for these; the rest is built in.
import { getArguments, getEnvironment } from 'wasi:cli/environment@0.2.3';
import { getDirectories } from 'wasi:filesystem/preopens@0.2.3';

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

export const visitor = {
  look() {
    return { arguments: getArguments(), variables: getEnvironment().sort() };
  },

  async nap(milliseconds) {
    const began = Date.now();
    const start = performance.now();
    await sleep(Number(milliseconds));
    return {
      beganSeconds: BigInt(Math.floor(began / 1000)),
      tookMilliseconds: BigInt(Math.round(performance.now() - start)),
    };
  },

  draw(length) {
    return crypto.getRandomValues(new Uint8Array(length));
  },

  say(out, err) {
    console.log(out);
    console.error(err);
  },

  read(path) {
    try {
      return contentOf(path);
    } catch (error) {
      const code = error.payload ?? error;
      if (code === 'no-entry') return undefined;
      throw { tag: 'refused', val: String(code) };
    }
  },

  mirror(order) {
    if (order.lines.length === 0) throw 'there are no lines';
    return { ...order, lines: order.lines.reverse(), note: undefined, balance: -order.balance };
  },
};

function contentOf(path) {
  const granted = getDirectories().find(([, name]) => path.startsWith(`${name}/`));
  if (granted === undefined) throw 'no-entry';
  const [directory, name] = granted;
  const file = directory.openAt({ symlinkFollow: true }, path.slice(name.length + 1), {}, { read: true });
  const decoder = new TextDecoder();
  let content = '';
  for (let offset = 0n, end = false; !end; ) {
    const [bytes, last] = file.read(65536n, offset);
    content += decoder.decode(bytes, { stream: !last });
    offset += BigInt(bytes.length);
    end = last;
  }
  return content;
}
