// Grading in the browser, so that a quiz needs no kernel. shrinklab/quiz/grading.py is the reference; a test
// holds the two together.

const near = (value, target, tolerance) =>
  Math.abs(value - target) <= tolerance + 1e-9 * Math.max(1, Math.abs(target));

function grade(question, answer) {
  if (question.options) {
    const option = question.options[answer];
    return { right: option.correct === true, mistake: option.mistake ?? "" };
  }
  if (question.order) {
    const early = question.order.findIndex((_, step) => step > 0 && answer.indexOf(step) < answer.indexOf(step - 1));
    return { right: early < 0, mistake: early < 0 ? "" : question.order[early].mistake };
  }
  const { answer: truth, tolerance } = question;
  if (near(answer, truth, tolerance)) return { right: true, mistake: "" };
  const known = question.mistakes.find((wrong) => near(answer, wrong.value, tolerance));
  if (known) return { right: false, mistake: known.mistake };
  const scaled = near(answer, truth * 100, tolerance * 100) || near(answer * 100, truth, tolerance);
  return { right: false, mistake: scaled
    ? "That is off by a factor of 100: look whether a share or a percentage is asked for." : "" };
}

// 1 right at once and alone, 0.5 after a hint or another try, 0 otherwise or once the solution was read.
function credit(record) {
  if (!record?.right || record.solution) return 0;
  return (record.tries ?? 1) === 1 && !record.hint ? 1 : 0.5;
}

function verdict(bank, records) {
  return bank.sections.map((section) => {
    const credits = bank.questions.filter((one) => one.section === section.id && records[one.id]?.tries)
      .map((one) => credit(records[one.id]));
    const share = credits.length ? credits.reduce((sum, one) => sum + one, 0) / credits.length : 0;
    const rating = !credits.length ? "open" : share >= bank.strong ? "strong" : share >= bank.shaky ? "shaky" : "weak";
    return { section: section.id, title: section.title, rating, share, answered: credits.length };
  });
}
