package dataflow

// checkCodes are the diagnostics of security, style and suppressions.
var checkCodes = []CodeInfo{
	{"FC510", "a secret in the file", "Whoever reads the file, its history or its backups has the secret. Read it from the environment: `env(\"NAME\")`, or `\"${env.NAME}\"` in a node."},
	{"FC901", "a suppression that suppresses nothing", "What the comment was written for is gone. Left in place it would hide the next one."},
	{"FC902", "a comment to flowctl that can't be read", "The form is `# flowctl: ignore[FC230] why`, with one code or several between commas, behind what is reported or in a line of its own above it."},
	{"FC903", "a suppression without a reason", "Whoever reads the file next must know why the finding is meant to be."},
}
