// The structs are the canonical ABI's layout of the WIT types in memory; a result is a tag and then its payload.
package main

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"runtime/debug"
	"structs"
	"time"
	"unsafe"
)

type step struct {
	_                          structs.HostLayout
	milliseconds, random, fibo uint64
}

// A pointer is 32 bits wide to the host and 64 bits wide to Go, so what the host reads has addresses.
type steps struct {
	_                    structs.HostLayout
	tag, address, length uint32
}

type executionId struct {
	_               structs.HostLayout
	address, length uint32
}

// A result of a result; an error may be larger than an answer.
type awaited struct {
	_             structs.HostLayout
	tag, innerTag uint64
	answer        uint64
	rest          [8]uint64
}

//go:wasmimport obelisk:workflow/workflow-support@6.0.0 random-u64
func randomU64(min, maxExclusive uint64) uint64

//go:wasmimport obelisk:workflow/workflow-support@6.0.0 join-set-create
func joinSetCreate() int32

//go:wasmimport obelisk:types/join-set@5.0.0 [resource-drop]join-set
func joinSetDrop(joinSet int32)

//go:wasmimport testing:fibo-obelisk-ext/fibo fibo-submit
func fiboSubmit(joinSet int32, n int32, id *executionId)

//go:wasmimport testing:fibo-obelisk-ext/fibo fibo-await-next
func fiboAwaitNext(joinSet int32, answer *awaited)

// What the host reads or wrote stays; a call has an instance of its own.
var kept []any

// Collecting garbage reads the clock, which is not allowed while the host puts values into the guest's memory.
func init() { debug.SetGCPercent(-1) }

//go:wasmexport cabi_import_realloc
func realloc(old unsafe.Pointer, oldSize, align, size uint32) unsafe.Pointer {
	memory := make([]uint64, (size+7)/8+1)
	kept = append(kept, memory)
	fresh := unsafe.Pointer(unsafe.SliceData(memory))
	copy(unsafe.Slice((*byte)(fresh), size), unsafe.Slice((*byte)(old), oldSize))
	return fresh
}

func fibo(n int32) uint64 {
	var id executionId
	var answer awaited
	joinSet := joinSetCreate()
	fiboSubmit(joinSet, n, &id)
	fiboAwaitNext(joinSet, &answer)
	joinSetDrop(joinSet)
	if answer.tag&0xff != 0 || answer.innerTag&0xff != 0 {
		panic("fibo failed")
	}
	return answer.answer
}

func draw() uint64 {
	var bytes [8]byte
	rand.Read(bytes[:])
	return binary.LittleEndian.Uint64(bytes[:])
}

//go:wasmexport testing:wanderer/wanderer#wander
func wander(count uint32) *steps {
	done := make([]step, count)
	for i := range done {
		number, now := i+1, &done[i]
		now.milliseconds = uint64(time.Now().UnixMilli())
		if number == len(done) {
			now.random = randomU64(0, 1000)
		} else {
			now.random = draw()
		}
		fmt.Printf("step %d at %d: %d\n", number, now.milliseconds, now.random)
		time.Sleep(10 * time.Millisecond)
		now.fibo = fibo(int32(number))
	}
	answer := &steps{address: uint32(uintptr(unsafe.Pointer(unsafe.SliceData(done)))), length: count}
	kept = append(kept, done, answer)
	return answer
}

func main() {}
