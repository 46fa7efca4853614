import { joinSetCreate, randomU64 } from 'obelisk:workflow/workflow-support@6.0.0';
import { fiboAwaitNext, fiboSubmit } from 'testing:fibo-obelisk-ext/fibo';

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

export const wanderer = {
  async wander(steps) {
    const done = [];
    for (let number = 1; number <= steps; number++) done.push(await step(number, number === steps));
    return done;
  },
};

async function step(number, last) {
  const milliseconds = BigInt(Date.now());
  const random = last ? randomU64(0n, 1000n) : crypto.getRandomValues(new BigUint64Array(1))[0];
  console.log(`step ${number} at ${milliseconds}: ${random}`);
  await sleep(10);
  return { milliseconds, random, fibo: fiboOf(number) };
}

function fiboOf(number) {
  const joinSet = joinSetCreate();
  try {
    fiboSubmit(joinSet, number);
    return fiboAwaitNext(joinSet).val;
  } finally {
    joinSet[Symbol.dispose]();
  }
}
