import packageJson from '../../package.json' with { type: 'json' };

/** Version of this build: what its image was tagged with, or as package.json has it. */
export const VERSION: string = process.env['RAGBASE_VERSION'] || packageJson.version;
