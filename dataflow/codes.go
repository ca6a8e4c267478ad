package dataflow

// CodeInfo documents a diagnostic's code. docs/errors is generated from it.
type CodeInfo struct {
	Code  string
	Title string // what is wrong, a few words
	Doc   string // why it matters and what to write instead, Markdown
}

// Codes is the table of diagnostics. A code keeps its meaning for ever.
//
//	FC0xx  syntax and Python habits      FC4xx  handlers, exposure, Nexus
//	FC1xx  names, options, loads         FC5xx  security
//	FC2xx  models                        FC6xx  database and migration
//	FC3xx  workflows                     FC7xx  running and serving
func Codes() []CodeInfo { return codes }

var codes = []CodeInfo{
	{"FC310", "a reference can't be read", "References are written `\"${input.name}\"`, `\"${node.output.path[0]}\"`, `\"${env.NAME}\"` or `\"${ctx.user.id}\"`. To write the characters `${` themselves, double the dollar sign: `$${`."},
}

// ErrorCodeInfo documents the code of an Error or a Problem.
type ErrorCodeInfo struct {
	Code   string
	Status Status
	Doc    string
}

// ErrorCodes is the table of codes that answers to requests carry.
func ErrorCodes() []ErrorCodeInfo { return errorCodes }

var errorCodes = []ErrorCodeInfo{
	{"internal", StatusInternal, "Something went wrong inside the server. The log has the cause beside the run id."},
	{"invalid", StatusInvalid, "The input is wrong; `errors` lists every problem with the place it is at."},
}
