// The structs are the canonical ABI's layout of the WIT types in memory; a result is a tag and then its payload.
package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"structs"
	"time"
	"unsafe"
)

const (
	ok, err = 0, 1
	some    = 1
	refused = 1
)

// A pointer is 32 bits wide to the host and 64 bits wide to Go, so what the host reads has addresses.
type list[T any] struct {
	_               structs.HostLayout
	address, length uint32
}

func listOf[T any](items []T) list[T] {
	kept = append(kept, items)
	return list[T]{address: addressOf(unsafe.SliceData(items)), length: uint32(len(items))}
}

func text(text string) list[byte] { return listOf([]byte(text)) }

func (l list[T]) slice() []T {
	return unsafe.Slice((*T)(unsafe.Add(unsafe.Pointer(nil), l.address)), l.length)
}

func addressOf[T any](value *T) uint32 { return uint32(uintptr(unsafe.Pointer(value))) }

type surroundings struct {
	_         structs.HostLayout
	tag       uint32
	arguments list[list[byte]]
	variables list[[2]list[byte]]
}

type rest struct {
	_                              structs.HostLayout
	tag                            uint64
	beganSeconds, tookMilliseconds uint64
}

type drawn struct {
	_     structs.HostLayout
	tag   uint32
	value list[byte]
}

type said struct {
	_       structs.HostLayout
	tag     uint32
	failure list[byte]
}

type content struct {
	_           structs.HostLayout
	tag, option uint32
	value       list[byte]
}

type line struct {
	_       structs.HostLayout
	article list[byte]
	amount  uint32
}

type optional struct {
	_     structs.HostLayout
	tag   uint32
	value list[byte]
}

type order struct {
	_        structs.HostLayout
	id       uint64
	customer struct {
		_    structs.HostLayout
		name list[byte]
		age  uint32
	}
	lines            list[line]
	note             optional
	paid             bool
	weight           float64
	balance          int32
	priority, extras uint8
	delivery         optional
	tags             list[list[byte]]
}

type mirrored struct {
	_     structs.HostLayout
	tag   uint64
	order order
}

type notMirrored struct {
	_     structs.HostLayout
	tag   uint64
	error list[byte]
}

// What the host reads or wrote stays; a call has an instance of its own.
var kept []any

func keep[T any](value T) uint32 {
	kept = append(kept, &value)
	return addressOf(&value)
}

// Collecting garbage reads the clock, which is not allowed while the host puts values into the guest's memory.
func init() { debug.SetGCPercent(-1) }

//go:wasmexport cabi_export_realloc
func realloc(old unsafe.Pointer, oldSize, align, size uint32) unsafe.Pointer {
	memory := make([]uint64, (size+7)/8+1)
	kept = append(kept, memory)
	fresh := unsafe.Pointer(unsafe.SliceData(memory))
	copy(unsafe.Slice((*byte)(fresh), size), unsafe.Slice((*byte)(old), oldSize))
	return fresh
}

//go:wasmexport testing:visitor/visitor#look
func look() uint32 {
	var arguments []list[byte]
	for _, argument := range os.Args {
		arguments = append(arguments, text(argument))
	}
	var variables [][2]list[byte]
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		variables = append(variables, [2]list[byte]{text(name), text(value)})
	}
	return keep(surroundings{arguments: listOf(arguments), variables: listOf(variables)})
}

//go:wasmexport testing:visitor/visitor#nap
func nap(milliseconds uint64) uint32 {
	began := time.Now()
	time.Sleep(time.Duration(milliseconds) * time.Millisecond)
	took := time.Since(began).Milliseconds()
	return keep(rest{beganSeconds: uint64(began.Unix()), tookMilliseconds: uint64(took)})
}

//go:wasmexport testing:visitor/visitor#draw
func draw(length uint32) uint32 {
	bytes := make([]byte, length)
	rand.Read(bytes)
	return keep(drawn{value: listOf(bytes)})
}

//go:wasmexport testing:visitor/visitor#say
func say(out *byte, outLength uint32, err *byte, errLength uint32) uint32 {
	fmt.Println(unsafe.String(out, outLength))
	fmt.Fprintln(os.Stderr, unsafe.String(err, errLength))
	return keep(said{})
}

//go:wasmexport testing:visitor/visitor#read
func read(path *byte, length uint32) uint32 {
	bytes, failure := os.ReadFile(unsafe.String(path, length))
	switch {
	case failure == nil:
		return keep(content{option: some, value: listOf(bytes)})
	case errors.Is(failure, fs.ErrNotExist):
		return keep(content{})
	default:
		return keep(content{tag: err, option: refused, value: text(failure.Error())})
	}
}

//go:wasmexport testing:visitor/visitor#mirror
func mirror(address uint32) uint32 {
	given := (*order)(unsafe.Add(unsafe.Pointer(nil), address))
	if given.lines.length == 0 {
		return keep(notMirrored{tag: err, error: text("there are no lines")})
	}
	lines := slices.Clone(given.lines.slice())
	slices.Reverse(lines)
	answer := mirrored{order: *given}
	answer.order.lines = listOf(lines)
	answer.order.note = optional{}
	answer.order.balance = -given.balance
	return keep(answer)
}

func main() {}
