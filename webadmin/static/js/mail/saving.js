// The form of a letter on its way to the server: one request after the other, drafts by themselves,
// and going on after a session has ended.

const AUTOSAVE_MS = 2000;
const AUTOSAVE_MS_PER_MB = 600; // a draft is written anew with all its files
const AGAIN_MS = 15_000;
const SENDS_WHILE_CLOSING = 60_000; // octets; browsers take 64 KiB of requests that outlive a page
const MB = 1 << 20;

/** The server has refused the letter: what is wrong, as mark-up by field. */
export class Refused extends Error {
  constructor(wrongs) {
    super("refused");
    this.wrongs = wrongs;
  }
}

/** Nobody, or somebody else, is signed in. */
export class Away extends Error {}

/**
 * Keep a form saved.
 *
 * address: of a page of ours, to ask for a new proof. login: whose letter it is.
 * on: saved(answer), unsaved(error), away(isSomebodyElse), back().
 */
export class Saver {
  #underway = Promise.resolve();
  #running = 0;
  #changes = 0; // counted, so that what was typed while saving is saved after it
  #saved = 0;
  #timer = 0;
  #octets = 0;
  #isAway = false;
  #isDone = false;

  constructor(form, { address, login, on }) {
    this.form = form;
    this.address = address;
    this.login = login;
    this.on = on;
    addEventListener("beforeunload", (event) => {
      if (this.isSaved || (!this.#running && !this.#isAway && this.#fits())) return;
      event.preventDefault();
    });
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.#saveWhileClosing();
      else if (this.#isAway) this.#comeBack();
    });
    addEventListener("focus", () => this.#isAway && this.#comeBack());
  }

  /** Whether nothing would be lost if the page went away. */
  get isSaved() {
    return this.#isDone || (this.#saved === this.#changes && !this.#running);
  }

  /** Something was changed; it is saved soon. */
  changed() {
    this.#changes += 1;
    this.#wait(AUTOSAVE_MS + (this.#octets / MB) * AUTOSAVE_MS_PER_MB);
  }

  /** How large the letter is, in octets. */
  set octets(octets) {
    this.#octets = octets;
  }

  /** The letter is sent or thrown away: nothing is saved any more. */
  done() {
    this.#isDone = true;
    clearTimeout(this.#timer);
  }

  /** Save now; whether that worked. */
  async save() {
    clearTimeout(this.#timer);
    if (this.#isDone || this.#saved === this.#changes) return true;
    try {
      await this.post("save");
      if (this.#saved !== this.#changes) this.#wait(AUTOSAVE_MS);
      return true;
    } catch (error) {
      this.on.unsaved(error);
      this.#wait(AGAIN_MS);
      return false;
    }
  }

  /**
   * Post the form as it is; returns what the server answers.
   *
   * action: of its buttons. uploads: files that come with it. progress: is told of their way.
   * signal: aborts it. Throws Refused, Away, or another error when the server was not reached.
   */
  post(action, options = {}) {
    const next = this.#underway.then(() => this.#post(action, options));
    this.#underway = next.catch(() => {});
    return next;
  }

  async #post(action, { uploads = [], progress = null, signal = null, survives = false }, isAgain = false) {
    if (signal?.aborted) throw new DOMException("", "AbortError");
    if (this.#isAway && !(await this.#comeBack())) throw new Away();
    const at = this.#changes;
    const body = this.#body();
    for (const file of uploads) body.append("file", file);
    body.set("do", action);
    this.#running += 1;
    try {
      const { status, answer } = survives ? await outliving(this.form.action, body) : await sending(this.form.action, body, { progress, signal });
      if (status === 401 || status === 403) {
        this.#isAway = true;
        if (!isAgain && (await this.#comeBack())) return await this.#post(action, { uploads, progress, signal, survives }, true);
        throw new Away();
      }
      if (answer?.wrongs) throw new Refused(answer.wrongs);
      if (status !== 200 || !answer) throw new Error(`status ${status}`);
      if (answer.draft) {
        this.#saved = Math.max(this.#saved, at);
        this.form.elements.draft.value = answer.draft;
        this.form.elements.source.value = answer.source;
        this.on.saved(answer);
      }
      return answer;
    } finally {
      this.#running -= 1;
    }
  }

  /** Return the fields, without what is not sent of the two forms of the text. */
  #body() {
    const body = new FormData(this.form);
    body.delete("file");
    for (const name of body.get("format") === "html" ? ["text"] : ["html", "quote"]) body.delete(name);
    return body;
  }

  #fits() {
    const encoder = new TextEncoder();
    let octets = 0;
    for (const [name, value] of this.#body()) octets += encoder.encode(name + value).length + 150;
    return octets < SENDS_WHILE_CLOSING;
  }

  #saveWhileClosing() {
    if (this.isSaved || this.#running || this.#isAway || !this.#fits()) return;
    clearTimeout(this.#timer);
    this.post("save", { survives: true }).catch((error) => {
      this.on.unsaved(error);
      this.#wait(AGAIN_MS);
    });
  }

  #wait(ms) {
    clearTimeout(this.#timer);
    if (!this.#isDone) this.#timer = setTimeout(() => this.save(), ms);
  }

  /** Ask who is signed in now; with the same person go on under a new proof. */
  async #comeBack() {
    const page = await fetch(this.address, { headers: { Accept: "text/html" } })
      .then((answer) => (answer.ok && !answer.redirected ? answer.text() : ""))
      .catch(() => "");
    const found = new DOMParser().parseFromString(bare(page), "text/html");
    const proof = found.querySelector("#compose [name=csrf]")?.value;
    const login = found.querySelector("[data-compose]")?.dataset.login;
    const isBack = Boolean(proof) && login === this.login;
    if (isBack) {
      this.form.elements.csrf.value = proof;
      document.querySelector('meta[name="csrf-token"]').content = proof;
      if (this.#isAway) this.#wait(0);
      this.#isAway = false;
      this.on.back();
    } else if (this.#isAway) {
      this.on.away(Boolean(proof));
    }
    return isBack;
  }
}

/** Leave of a page what is looked for: its scripts and styles would be told of on the console. */
function bare(page) {
  return page.slice(page.indexOf("<body"));
}

/** Send by XMLHttpRequest: fetch does not tell how much has been sent. */
function sending(address, body, { progress, signal }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", address);
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    if (progress) request.upload.addEventListener("progress", progress);
    request.addEventListener("load", () => resolve({ status: request.status, answer: request.response }));
    request.addEventListener("error", () => reject(new Error("not reached")));
    request.addEventListener("abort", () => reject(new DOMException("", "AbortError")));
    signal?.addEventListener("abort", () => request.abort(), { once: true });
    request.send(body);
  });
}

/** Send so that it arrives when the page is closed at once. */
async function outliving(address, body) {
  const answer = await fetch(address, { method: "POST", body, keepalive: true, headers: { Accept: "application/json" } });
  return { status: answer.status, answer: await answer.json().catch(() => null) };
}
