import Mocha from 'mocha';

/** Mocha's spec report, and a last line that counts in any language. */
class SummaryReporter extends Mocha.reporters.Spec {
  override epilogue(): void {
    super.epilogue();
    const { passes, failures, pending } = this.stats;
    process.stdout.write(`${passes} passed, ${failures} failed${pending > 0 ? `, ${pending} skipped` : ''}\n`);
  }
}

// Mocha takes a reporter file's whole export, or its default one.
// biome-ignore lint/style/noDefaultExport: see above
export default SummaryReporter;
