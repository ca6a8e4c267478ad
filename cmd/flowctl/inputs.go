package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
)

func asDataflowError(err error) (*dataflow.Error, bool) { return errors.AsType[*dataflow.Error](err) }

func join(names []string) string { return strings.Join(names, ", ") }

// readInputs reads the values of --input by the types of a workflow's inputs.
// A mistake in the command is a usageError; values that don't fit are an
// *dataflow.Error with every problem.
func readInputs(w *world, wf *dataflow.Workflow, args []string) (*dataflow.Object, error) {
	fromFiles, byName := dataflow.NewObject(), dataflow.NewObject()
	var problems []dataflow.Problem
	for _, arg := range args {
		if file, ok := strings.CutPrefix(arg, "@"); ok {
			ps, err := readObject(w, file, fromFiles)
			if err != nil {
				return nil, err
			}
			problems = append(problems, ps...)
			continue
		}
		name, text, ok := strings.Cut(arg, "=")
		if !ok || name == "" {
			return nil, &usageError{fmt.Sprintf("--input %s is no input", arg), "write --input name=value, --input name=@file or --input @file.json"}
		}
		if byName.Has(name) {
			return nil, &usageError{fmt.Sprintf("the input %s is given twice", name), "give it once"}
		}
		v, ps, err := readValue(w, wf, name, text)
		if err != nil {
			return nil, err
		}
		byName.Set(name, v)
		problems = append(problems, ps...)
	}
	if len(problems) > 0 {
		e := dataflow.Invalid(append(problems, otherProblems(wf, fromFiles, byName, problems)...)...)
		e.Workflow = wf.Name
		return nil, e
	}
	for name, v := range byName.All {
		fromFiles.Set(name, v)
	}
	return fromFiles, nil
}

// otherProblems finds what else is wrong with inputs that will never reach the
// run, which would find it, because the text of some could not be read.
func otherProblems(wf *dataflow.Workflow, fromFiles, byName *dataflow.Object, unread []dataflow.Problem) []dataflow.Problem {
	in := dataflow.NewObject()
	bad := map[string]bool{}
	for _, p := range unread {
		name, _, _ := strings.Cut(p.Pointer[1:], "/")
		bad[name] = true
	}
	for _, o := range []*dataflow.Object{fromFiles, byName} { // a name goes before a file
		for name, v := range o.All {
			if !bad[codec.EscapePointer(name)] {
				in.Set(name, v)
			}
		}
	}
	_, problems := codec.CoerceObject(wf.InputShape, wf.Input, in, "")
	for _, f := range wf.Input {
		if f.Required() && !fromFiles.Has(f.Name) && !byName.Has(f.Name) {
			problems = append(problems, dataflow.Problem{Code: "required", Pointer: "/" + codec.EscapePointer(f.Name), Detail: f.Name + " is required"})
		}
	}
	return problems
}

// readObject adds the members of a JSON file to o.
func readObject(w *world, file string, o *dataflow.Object) ([]dataflow.Problem, error) {
	text, err := readFile(w, "--input", file)
	if err != nil {
		return nil, err
	}
	v, problems := codec.ParseJSON(text, codec.MaxDepth)
	if len(problems) > 0 {
		return nil, &usageError{fmt.Sprintf("%s can't be read: %s", file, problems[0].Detail), "it must hold one JSON object, with a member for each input"}
	}
	members, ok := v.(*dataflow.Object)
	if !ok {
		return nil, &usageError{file + " holds no JSON object", "write {\"input\": value, …}"}
	}
	for name, v := range members.All {
		o.Set(name, v)
	}
	return nil, nil
}

// readValue reads one value by its input's type. An unknown input keeps its
// text: the run refuses it, with a suggestion, beside all else that is wrong.
func readValue(w *world, wf *dataflow.Workflow, name, text string) (any, []dataflow.Problem, error) {
	field := inputField(wf, name)
	fromFile := false
	switch {
	case strings.HasPrefix(text, "@@"):
		text = text[1:]
	case strings.HasPrefix(text, "@"):
		content, err := readFile(w, "--input", text[1:])
		if err != nil {
			return nil, nil, err
		}
		text, fromFile = string(content), true
	}
	switch {
	case field == nil:
		return text, nil, nil
	case fromFile && field.Type.Kind == dataflow.KindBytes:
		return []byte(text), nil, nil
	case fromFile && field.Type.Kind != dataflow.KindString:
		text = strings.TrimSpace(text)
	}
	v, problems := codec.ParseText(field.Type, text, "/"+codec.EscapePointer(name))
	return v, problems, nil
}

func inputField(wf *dataflow.Workflow, name string) *dataflow.Field {
	for _, f := range wf.Input {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// readFile reads a file that the value of a flag names.
func readFile(w *world, flag, name string) ([]byte, error) {
	if name == "" {
		return nil, &usageError{"the @ in " + flag + " names no file", namesFile[flag]}
	}
	var text []byte
	var err error
	if name == "-" {
		name = "standard input"
		text, err = io.ReadAll(w.in)
	} else {
		text, err = os.ReadFile(name)
	}
	if err != nil {
		return nil, &usageError{name + " can't be read: " + reason(err), "check the file and its permissions"}
	}
	return text, nil
}

// namesFile says how a file is named, by flag.
var namesFile = map[string]string{
	"--input":   "write --input name=@file, or name=@@text for a value that begins with an @",
	"--payload": "write --payload @file, or the JSON itself",
}
