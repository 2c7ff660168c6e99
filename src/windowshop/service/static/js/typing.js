// Searching as one types: each text is searched for, and none is written down before it stands.

const STANDS_MS = 1500;

/** What is being typed, and what it is likely to become (`guess`). */
export class Typing {
  /** `asked()`: the text that is asked for; `look(text, goesOn)` asks for what is typed, `goesOn`
   * where more was typed before; `stood(guess)` is called once the text stands. */
  constructor({ asked, look, stood }) {
    Object.assign(this, { asked, look, stood, isOn: false, guess: "", timer: 0 });
  }

  typed(text, likely) {
    if (text.trim() === this.asked().trim()) return;
    const goesOn = this.isOn;
    this.guess = likely.trim();
    this.isOn = true;
    clearTimeout(this.timer);
    if (scrollY > 0) scrollTo(0, 0);
    this.look(text, goesOn);
    this.timer = setTimeout(() => this.settle(), STANDS_MS);
  }

  stop() {
    this.isOn = false;
    clearTimeout(this.timer);
  }

  async settle() {
    if (!this.isOn) return;
    this.stop();
    await this.stood(this.guess);
  }
}
