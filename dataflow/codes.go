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

	// Problems of one part of an input.
	{"malformed_json", StatusInvalid, "The text is not JSON (RFC 8259). The detail says where it stops being JSON."},
	{"too_deep", StatusInvalid, "Lists and objects nest more deeply than is taken."},
	{"duplicate_key", StatusInvalid, "An object gives the same name twice."},
	{"unknown_field", StatusInvalid, "There is no field of this name; the hint names the nearest one."},
	{"wrong_type", StatusInvalid, "The value is of another type than the field's."},
	{"null", StatusInvalid, "The field is not optional, so it can't be null."},
	{"required", StatusInvalid, "The field must be given."},
	{"read_only", StatusInvalid, "The field is written by the runtime; leave it out."},
	{"immutable", StatusInvalid, "The field is fixed once the row is created."},
	{"too_small", StatusInvalid, "The value is below the field's lower bound."},
	{"too_large", StatusInvalid, "The value is above the field's upper bound, or beyond what its type holds."},
	{"too_short", StatusInvalid, "There are fewer characters, bytes or items than the field's min_length."},
	{"too_long", StatusInvalid, "There are more characters, bytes or items than the field's max_length."},
	{"pattern", StatusInvalid, "The text does not match the field's pattern."},
	{"format", StatusInvalid, "The text is not in the form that the field's type or format asks for."},
	{"not_in_enum", StatusInvalid, "The value is not one of those that the field lists."},
	{"precision", StatusInvalid, "The decimal has more digits than the field keeps; nothing is rounded."},

	// Filters and storage.
	{"unknown_operator", StatusInvalid, "A filter uses an operator that does not exist, or that the type of the field does not take."},
	{"not_filterable", StatusInvalid, "The field can't be filtered on: it is computed, or what it holds can't be compared."},
	{"not_sortable", StatusInvalid, "Rows can't be put in order of the field: it is computed, or what it holds has no order."},
	{"unique", StatusConflict, "Another row has this value, or this combination of values."},
	{"reference", StatusConflict, "There is no row with the id that the field refers to."},
	{"unique_violation", StatusConflict, "Another row has a value, or a combination of values, that must be unique."},
	{"reference_violation", StatusConflict, "A row refers to one that does not exist, or one that others still refer to was to be deleted."},
	{"busy", StatusBusy, "The database is locked by another program, or too many callers wait for it. Trying again soon is likely to work."},
	{"timeout", StatusTimeout, "There was no answer in the time that the request had."},
	{"cancelled", StatusCancelled, "The caller went away before there was an answer."},
	{"storage_full", StatusStorage, "The database's disk has no room left. Nothing of the request has happened."},
	{"storage_read_only", StatusStorage, "The database can't be written to. Nothing of the request has happened."},
	{"storage_corrupt", StatusStorage, "The database file is damaged; restore it from a backup."},
	{"storage_failed", StatusStorage, "The disk of the database reported an error. Nothing of the request has happened."},
}
