package check

import (
	"slices"

	"github.com/flowctl/flowctl/dataflow"
)

// Rule is one thing to look for.
type Rule struct {
	Code string // a row of dataflow.Codes, whose doc is the rule's
	// Bad is an app in which the rule fires, at the lines that end with
	// "# here"; Good is how it is to be written, where it does not.
	Bad, Good string
	Fixes     bool // some of its findings come with a fix

	unsafe   bool // they may change what the app does
	severity dataflow.Severity
	whole    bool // it says nothing of an app with errors, where what is missing may be at fault
	find     func(*pass)
}

// Rules lists the rules, in the order of their codes.
func Rules() []Rule { return slices.Clone(rules) }

var rules = []Rule{
	loadUnused,
	nameUnused,
	localUnused,
	keyTwice,
	defaultMutated,
	globalMutated,
	changedWhileRead,
	wrongArguments,
	formatMismatch,
	recursion,
	textIterated,
	floatBesideDecimal,
	wordImpossible,
	partMissing,
	namesPassedOn,
	textUnfit,
	neverSet,
	readAsNone,
	digitsTooMany,
	mixedKinds,
	sentAsObject,
	moneyInFloat,
	modelUnused,
	timeAsText,
	flagAsText,
	idWithoutRef,
	emailUnchecked,
	indexRedundant,
	hookUnknownField,
	validateBool,
	resultMissing,
	idsInList,
	uniqueDefault,
	patternLoose,
	statusAsText,
	unfoundToChange,
	ruleUnindexed,
	anyoneWrites,
	roleMisspelt,
	listUnbounded,
	filterUnindexed,
	queryInLoop,
	nodeUnused,
	inputUnused,
	whenConstant,
	caseImpossible,
	retryRepeats,
	sqlPastRules,
	switchConstant,
	neverRuns,
	failureUnheard,
	retrySame,
	mapOfQueries,
	foreignTemplate,
	outputMissing,
	textForNumber,
	handlerInputUnused,
	handlerReadOnly,
	sqlPutTogether,
	firstOfList,
	answerDropped,
	handlerCircle,
	readOnlyWrites,
	callAfterWrite,
	countedByList,
	templateInFunction,
	workflowUnknown,
	waitUnkept,
	signalMisfit,
	signalUnused,
	eventUntold,
	secondDatabase,
	declaredLate,
	secretLiteral,
	passwordPlain,
	httpInClear,
	corsAnyone,
	cardData,
	hostPublic,
	secretServed,
	secretInAddress,
	addressOfCaller,
	filterOfCaller,
	fieldsOfCaller,
	secretLogged,
	secretCompared,
	hidesBuiltin,
	comparedToBool,
	neverReached,
	noEffect,
	modelNamePlural,
	refusedSilently,
	comparedToItself,
	conditionTwice,
}
