package nodes

import (
	"context"
	"log/slog"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine"
)

// logNode writes a line to the log.
type logNode struct{ spec *dataflow.NodeSpec }

// maxMessage bounds what one node may put into the log.
const maxMessage = 8 << 10

var logLevels = map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}

func newLog() *logNode {
	return &logNode{&dataflow.NodeSpec{
		Name: "LogNode",
		Doc: "Writes a line to the log, with the run's id. The log holds what `message` and `fields` name and nothing else: " +
			"name no secrets. A message is cut at 8 KiB. A line stays though the run fails later.",
		Params: []*dataflow.Field{
			{Name: "message", Type: dataflow.String, Doc: "text, with references in it"},
			{Name: "level", Type: &dataflow.Type{Kind: dataflow.KindEnum, Values: []string{"debug", "info", "warn", "error"}},
				Default: "info", HasDefault: true, Doc: "`debug` lines show with `--verbose`"},
			{Name: "fields", Type: &dataflow.Type{Kind: dataflow.KindObject}, Optional: true, Doc: "values beside the message, by name"},
		},
		Effect: dataflow.EffectPure,
		Output: dataflow.ObjectType(&dataflow.Field{Name: "message", Type: dataflow.String}),
	}}
}

// Spec implements engine.NodeType.
func (t *logNode) Spec() *dataflow.NodeSpec { return t.spec }

// Run implements engine.NodeType.
func (t *logNode) Run(ctx context.Context, call *engine.Call) (any, error) {
	message, _ := stringOf(call.Config, "message")
	if len(message) > maxMessage {
		message = message[:maxMessage] + "…"
	}
	level, _ := stringOf(call.Config, "level")
	attrs := []slog.Attr{slog.String("node", call.Key)}
	if v, _ := call.Config.Get("fields"); v != nil {
		for name, v := range v.(*dataflow.Object).All {
			attrs = append(attrs, slog.String(name, shown(v)))
		}
	}
	call.Runtime.Logger().LogAttrs(ctx, logLevels[level], message, attrs...)
	return dataflow.ObjectOf("message", message), nil
}
