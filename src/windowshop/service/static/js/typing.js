// Searching as one types: each text is searched for, and none is written down before it stands.

const STANDS_MS = 1500;

/** What is being typed, and what it is likely to become (`guess`). */
export class Typing {
  /** `asked()`: the text that is asked for; `look(text, goesOn)` asks for what is typed, `goesOn`
   * where more was typed before; `guessed()` asks again once the guess is another; `stood(guess)` is
   * called once the text stands. */
  constructor({ asked, look, guessed, stood }) {
    Object.assign(this, { asked, look, guessed, stood, isOn: false, guess: "", sure: null, timer: 0 });
  }

  /** `likely` is the guess so far, `sure` a promise of the guess by the suggestions, which are on their way. */
  typed(text, likely, sure) {
    if (text.trim() === this.asked().trim()) return;
    const goesOn = this.isOn;
    Object.assign(this, { guess: likely.trim(), sure, isOn: true });
    clearTimeout(this.timer);
    if (scrollY > 0) scrollTo(0, 0);
    this.look(text, goesOn);
    sure.then((guess) => {
      if (this.sure === sure) this.become(guess.trim());
    });
  }

  become(guess) {
    this.timer = setTimeout(() => this.settle(), STANDS_MS);
    if (guess === this.guess) return;
    this.guess = guess;
    this.guessed();
  }

  stop() {
    Object.assign(this, { isOn: false, sure: null });
    clearTimeout(this.timer);
  }

  async settle() {
    if (!this.isOn) return;
    this.stop();
    await this.stood(this.guess);
  }
}
