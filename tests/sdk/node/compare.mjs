// Makes the same calls with an SDK as it is, direct and through the proxy, and compares.
//
//     node compare.mjs SUITE DIRECT PROXY
//
// SUITE is the NAME of a module beside this one, `with_NAME.mjs`, whose `cases(base)` gives cases;
// `base(upstream)` is the URL that stands for the provider's origin. DIRECT and PROXY are origins.
// TIDEGAUGE_SDK_NODE is a folder with the SDKs in `node_modules`. Output and exit codes are those of
// compare.py.

const [suite, direct, proxy] = process.argv.slice(2);

let cases;
try {
  ({ cases } = await import(`./with_${suite}.mjs`));
} catch (error) {
  if (error.code !== "MODULE_NOT_FOUND" && error.code !== "ERR_MODULE_NOT_FOUND") throw error;
  console.log(error.message.split("\n")[0]);
  process.exit(77);
}

async function results(base) {
  const found = [];
  for (const one of cases(base)) {
    let text;
    try {
      text = JSON.stringify(await one.call());
    } catch (raised) {
      text = `unexpected ${raised.stack}`;
    }
    found.push({ ...one, text });
  }
  return found;
}

const want = await results(() => direct);
const got = await results((upstream) => `${proxy}/${upstream}`);
let wrong = 0;
want.forEach(({ name, text, said, records }, at) => {
  if (text === got[at].text && text.includes(said)) {
    console.log(["same", name, JSON.stringify(records)].join("\t"));
  } else {
    wrong += 1;
    console.log(`DIFFERS\t${name}\n  expected ${said}\n  direct  ${text}\n  proxied ${got[at].text}`);
  }
});
process.exit(wrong ? 1 : 0);
